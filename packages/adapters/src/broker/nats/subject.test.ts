import fc from 'fast-check';
import { expect, test } from 'vitest';
import { subjectOf } from './subject.ts';

const subject = (name: string) => subjectOf({ kind: 'room', name });

test('ordinary names are as they are, and what a subject cannot carry is escaped', () => {
  expect(subject('r1')).toBe('rt.room.r1');
  expect(subject('team-a.general_2')).toBe('rt.room.team-a.general_2');
  expect(subject('房间')).toBe('rt.room.房间');
  expect(subject('a b')).toBe('rt.room.a%20b');
  expect(subject('*')).toBe('rt.room.%2a');
  expect(subject('a.>')).toBe('rt.room.a.%3e');
  expect(subject('..a..b.')).toBe('rt.room.%2e%2ea.%2eb%2e');
  expect(subject('100%')).toBe('rt.room.100%25');
  expect(subject('')).toBe('rt.room.%');
  expect(subjectOf({ kind: 'user', name: 'ada' })).toBe('rt.user.ada');
  expect(subjectOf({ kind: 'node', name: 'n1' })).toBe('gapless.node.n1');
});

const names = fc.string({ unit: fc.constantFrom('.', '%', ' ', '*', '>', '2', 'e', 'a'), maxLength: 6 });

test('no two names share a subject, and each subject is one that NATS takes', () => {
  fc.assert(
    fc.property(names, names, (a, b) => {
      expect(subject(a) === subject(b)).toBe(a === b);
      expect(subject(a)).toMatch(/^rt\.room(\.[^\s.*>]+)+$/);
    }),
    { numRuns: 5_000 },
  );
});
