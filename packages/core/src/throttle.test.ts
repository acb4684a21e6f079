import { expect, test } from 'vitest';
import { addressBlock, Throttle } from './throttle.ts';

test('counts each key by itself', () => {
  const throttle = new Throttle({ attempts: 1, windowMs: 1_000 });
  throttle.take('a', 0);
  throttle.take('b', 0);
  expect(() => throttle.take('a', 0)).toThrow(expect.objectContaining({ code: 'rate_limited', retryAfterMs: 1_000 }));
});

test('keeps a bounded number of keys, those used last', () => {
  const throttle = new Throttle({ attempts: 1, windowMs: 1_000 }, 2);
  for (const key of ['a', 'b', 'c']) throttle.take(key, 0);
  expect(throttle.size).toBe(2);
  expect(() => throttle.take('c', 0)).toThrow();
  throttle.take('a', 0);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:0db8:1:2::9', '2001:db8:1:2'],
  ['2001:db8::9', '2001:db8:0:0'],
  ['2001:db8::3:4:5:6', '2001:db8:0:0'],
  ['2001::2:3:4:5:6:7', '2001:0:2:3'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['', ''],
])('%s counts as %s', (ip, block) => {
  expect(addressBlock(ip)).toBe(block);
});

test('a forgotten key starts anew', () => {
  const throttle = new Throttle({ attempts: 1, windowMs: 1_000 });
  throttle.take('a', 0);
  throttle.forget('a');
  throttle.take('a', 0);
});
