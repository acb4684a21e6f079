import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CURSOR_MAX, formatCursor, type Place, parseCursor } from './cursor.ts';

const cid = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const number = fc.oneof(fc.nat(), fc.maxSafeNat());
const place: fc.Arbitrary<Place> = fc.oneof(
  fc.record({ cid, rev: number }),
  fc.record({ cid, since: number, begun: fc.record({ until: number, thenRev: number }) }),
);
const places = fc.uniqueArray(place, { selector: (one) => one.cid, minLength: 1, maxLength: 20 });

test('what is formatted is parsed to the same', () => {
  fc.assert(
    fc.property(places, (all) => {
      expect(parseCursor(formatCursor(all))).toEqual(all);
    }),
  );
});

test('whatever is parsed is what it was formatted from: there is one spelling', () => {
  const spoilt = fc.tuple(places, fc.nat(), fc.constantFrom('~', '.', '-', '0', ' ', '\n', 'Z', '', '%', 'é')).map(([all, at, char]) => {
    const text = formatCursor(all);
    const index = at % (text.length + 1);
    return text.slice(0, index) + char + text.slice(index + (char === '' ? 1 : 0));
  });
  fc.assert(
    fc.property(fc.oneof(spoilt, fc.string()), (text) => {
      const parsed = parseCursor(text);
      if (parsed !== undefined) expect(formatCursor(parsed)).toBe(text);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  '',
  'a',
  'a.',
  '.1',
  'a.01',
  'a.-1',
  'a.1-',
  'a.1-2',
  'a.1-2-',
  'a.1-02-3',
  'a.1-2-3-4',
  'a.A',
  'a.1~',
  '~a.1',
  'a.1~a.2',
  'a.1~b',
  'a b.1',
  'a.1\n',
  // One more than 2^53 - 1.
  'a.2gosa7pa2gw',
  'a.zzzzzzzzzzz',
  `${'x'.repeat(65)}.1`,
])('%j is no cursor', (text) => {
  expect(parseCursor(text)).toBeUndefined();
});

test('2^53 - 1 is the largest position', () => {
  expect(parseCursor(`a.${Number.MAX_SAFE_INTEGER.toString(36)}`)).toEqual([{ cid: 'a', rev: Number.MAX_SAFE_INTEGER }]);
});

test(`${CURSOR_MAX} conversations are parsed, one more is not`, () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `c${i}.1`).join('~');
  expect(parseCursor(many(CURSOR_MAX))).toHaveLength(CURSOR_MAX);
  expect(parseCursor(many(CURSOR_MAX + 1))).toBeUndefined();
});
