import { expect, test } from 'vitest';
import { Throttle } from './throttle.ts';

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
