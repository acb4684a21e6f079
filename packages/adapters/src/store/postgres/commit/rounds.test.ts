import type { Command } from '@gapless/core';
import { expect, test } from 'vitest';
import { roundsOf } from './rounds.ts';

const send = (cid: string) => ({ op: 'send', cid }) as Command;
const read = (cid: string) => ({ op: 'read', cid }) as Command;
const create = (cid: string) => ({ op: 'create', cid }) as Command;
const save = (cid: string) => ({ op: 'save', cid }) as Command;
const remove = (cid: string) => ({ op: 'remove', cid }) as Command;

const rounds = (...batch: Command[]) => roundsOf(batch).map(({ kind, places }) => `${kind} ${places.join(' ')}`);

test('sends and positions of any conversations are one round', () => {
  expect(rounds(send('a'), read('b'), send('b'), read('a'))).toEqual(['messages 0 1 2 3']);
});

test('a change takes effect between what is before and behind it in its conversation; the others do not wait', () => {
  expect(rounds(send('a'), remove('a'), send('a'), send('b'), read('c'))).toEqual(['messages 0 3 4', 'changes 1', 'messages 2']);
  expect(rounds(create('a'), send('a'), remove('a'), send('a'))).toEqual(['changes 0', 'messages 1', 'changes 2', 'messages 3']);
});

test('what the accept log brings is a round of its own, in the order of its conversation', () => {
  expect(rounds(save('a'), save('b'), save('a'))).toEqual(['accept 0 1 2']);
  expect(rounds(save('a'), send('b'), read('a'), save('b'), create('c'))).toEqual(['messages 1', 'changes 4', 'accept 0 3', 'messages 2']);
});

test('changes stay in their order, whatever they are about', () => {
  expect(rounds(create('a'), send('a'), remove('a'), create('b'), send('b'))).toEqual([
    'changes 0',
    'messages 1',
    'changes 2 3',
    'messages 4',
  ]);
});

test('no command is lost, and those of a conversation stay in order', () => {
  const batch = Array.from({ length: 200 }, (_, i) => [send, read, remove, create, save][(i * 7) % 5]!(`c${(i * 13) % 6}`));
  const order = roundsOf(batch).flatMap(({ places }) => places);
  expect(order.toSorted((a, b) => a - b)).toEqual(batch.map((_, i) => i));
  for (const cid of new Set(batch.map((command) => command.cid))) {
    const own = order.filter((place) => batch[place]!.cid === cid);
    expect(own).toEqual(own.toSorted((a, b) => a - b));
  }
});
