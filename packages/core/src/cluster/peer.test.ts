import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Peer } from './peer.ts';

// Goal: each number is taken once, and what is missing is known. Method: numbers in any order, doubled, and mentions in between.

test('each number once; what did not come is missing', () => {
  const step = fc.record({ n: fc.integer({ min: 1, max: 60 }), mention: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.nat(20), (steps, last) => {
      const peer = new Peer('b', { last, now: 0 });
      const taken = new Set<number>();
      let highest = last;
      for (const { n, mention } of steps) {
        if (mention) peer.saw(n);
        else {
          peer.saw(n - 1);
          expect(peer.take(n)).toBe(n > last && !taken.has(n));
          taken.add(n);
        }
        highest = Math.max(highest, n);
      }
      const expected = Array.from({ length: highest - last }, (_, i) => last + 1 + i).filter((n) => !taken.has(n));
      expect([...peer.missing].toSorted((a, b) => a - b)).toEqual(expected);
    }),
  );
});

test('too far behind to be asked for one by one', () => {
  const peer = new Peer('b', { last: 0, now: 0 });
  expect(peer.saw(1_000_000)).toBe(1_000_000);
  expect(peer.isTooFarBehind).toBe(true);
  expect(peer.missing.size).toBe(2_000);
  peer.forgetMissing();
  expect(peer.take(1_000_001)).toBe(true);
  expect(peer.take(999_999)).toBe(false);
});
