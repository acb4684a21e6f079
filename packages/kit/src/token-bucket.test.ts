import { expect, test } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

test('a burst, then the rate, then a burst again', () => {
  const bucket = new TokenBucket({ perSec: 10, burst: 3 }, 0);
  expect([bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([0, 0, 0, 100]);
  expect([bucket.take(50), bucket.take(100)]).toEqual([50, 0]);
  expect([bucket.take(10_000), bucket.take(10_000), bucket.take(10_000), bucket.take(10_000)]).toEqual([0, 0, 0, 100]);
});

test('a cost is taken whole or not at all, and one above the burst is the burst', () => {
  const bucket = new TokenBucket({ perSec: 10, burst: 5 }, 0);
  expect([bucket.take(0, 3), bucket.take(0, 3), bucket.take(0, 2)]).toEqual([0, 100, 0]);
  expect([bucket.take(500, 99), bucket.take(500)]).toEqual([0, 100]);
});

test('a clock that is set back does not starve it', () => {
  const bucket = new TokenBucket({ perSec: 10, burst: 1 }, 3_600_000);
  expect(bucket.take(3_600_000)).toBe(0);
  expect(bucket.take(0)).toBe(100);
  expect(bucket.take(100)).toBe(0);
});
