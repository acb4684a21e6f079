import { expect, test } from 'vitest';
import { parseRoute, routeOf } from './route.ts';

test('a route goes there and back, whatever the cid', () => {
  for (const cid of ['c1', 'a/b c', '群组#1', '100%']) expect(parseRoute(routeOf(cid))).toBe(cid);
  expect(routeOf(undefined)).toBe('#/');
});

test('anything else opens nothing', () => {
  for (const hash of ['', '#', '#/', '#/c/', '#/x/1', '#/c/%E0%A4%A']) expect(parseRoute(hash)).toBeUndefined();
});
