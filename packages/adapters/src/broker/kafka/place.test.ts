import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkTemplate, placeOf } from './place.ts';

const PER_ROOM = 'rt.room.{room}.v1';
const topic = (name: string) => placeOf({ kind: 'room', name }, PER_ROOM).topic;

test('rooms are keyed by their name, the rest by kind and name', () => {
  expect(placeOf({ kind: 'room', name: 'r 1' }, 'rt.room.v1')).toEqual({ topic: 'rt.room.v1', key: 'r 1' });
  expect(placeOf({ kind: 'user', name: 'r 1' }, 'rt.room.v1')).toEqual({ topic: 'gapless.v1', key: 'user:r 1' });
  expect(placeOf({ kind: 'room', name: 'r1' }, PER_ROOM)).toEqual({ topic: 'rt.room.r1.v1', key: 'r1' });
});

const names = fc.oneof(
  fc.string({ unit: fc.constantFrom('.', '-', '_', 'é', '2', 'd', 'h'), maxLength: 5 }),
  fc.string({ unit: 'binary', maxLength: 300 }),
);

test('no two names share a topic, and each is one that Kafka takes', () => {
  fc.assert(
    fc.property(names, names, (a, b) => {
      expect(topic(a) === topic(b)).toBe(a === b);
      expect(topic(a)).toMatch(/^[a-zA-Z0-9._-]{1,249}$/);
    }),
    { numRuns: 5_000 },
  );
});

test('a template that Kafka would refuse is refused at once', () => {
  checkTemplate('chat.{room}');
  expect(() => checkTemplate('chat/{room}')).toThrow();
  expect(() => checkTemplate(`${'x'.repeat(240)}{room}`)).toThrow();
});
