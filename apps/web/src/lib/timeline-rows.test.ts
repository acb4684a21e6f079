import type { Message } from '@gapless/sdk';
import { expect, test } from 'vitest';
import { timelineRows } from './timeline-rows.ts';

const NOON = new Date(2026, 4, 10, 12).getTime();
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

function message(seq: number, change: Partial<Message> = {}): Message {
  return { cid: 'c1', mid: `m${seq}`, from: 'bob', kind: 'text', body: { text: 'hi' }, at: NOON + seq * 1_000, seq, ...change };
}

const rows = (messages: Message[], unreadAfter?: number) => timelineRows(messages, { me: 'alice', unreadAfter });
const marks = (messages: Message[]) => rows(messages).map((row) => `${row.first ? '[' : ''}${row.key}${row.last ? ']' : ''}`);
const divided = (messages: Message[], after: number) => rows(messages, after).find((row) => row.unread)?.key;

test('messages of one sender stand together, another sender starts anew', () => {
  expect(marks([message(1), message(2), message(3, { from: 'alice' }), message(4)])).toEqual(['[m1', 'm2]', '[m3]', '[m4]']);
});

test('a pause splits a group', () => {
  expect(marks([message(1), message(2, { at: NOON + 6 * MINUTE_MS })])).toEqual(['[m1]', '[m2]']);
});

test('notices belong to no group', () => {
  expect(marks([message(1), message(2, { kind: 'sys' }), message(3)])).toEqual(['[m1]', '[m2]', '[m3]']);
});

test('lost messages in a row are told once, by the first, and belong to no group', () => {
  const gone = { kind: 'lost', from: 'system' };
  const messages = [message(1), message(2, gone), message(3, gone), message(4), message(5, gone)];
  expect(rows(messages).map((row) => row.lost)).toEqual([0, 2, 0, 0, 1]);
  expect(marks(messages)).toEqual(['[m1]', '[m2]', '[m3]', '[m4]', '[m5]']);
});

test('each day has one heading, and starts a group even a second after midnight', () => {
  const midnight = new Date(2026, 4, 11).getTime();
  const messages = [message(1, { at: midnight - 1_000 }), message(2, { at: midnight + 1_000 }), message(3, { at: midnight + DAY_MS })];
  expect(rows(messages).map((row) => row.day)).toEqual([true, true, true]);
  expect(marks(messages)).toEqual(['[m1]', '[m2]', '[m3]']);
  expect(rows([message(1), message(2)]).map((row) => row.day)).toEqual([true, false]);
});

test('the unread divider stands before the first unread message and starts a group', () => {
  const messages = [message(1), message(2), message(3)];
  expect(divided(messages, 1)).toBe('m2');
  expect(rows(messages, 1).map((row) => row.first)).toEqual([true, true, false]);
});

test('no divider when all is read, or one spoke first, or its place is not loaded', () => {
  expect(divided([message(1), message(2)], 2)).toBeUndefined();
  expect(divided([message(1), message(2, { from: 'alice' }), message(3)], 1)).toBeUndefined();
  expect(divided([message(50), message(51)], 10)).toBeUndefined();
  expect(divided([message(1), message(2)], 0)).toBe('m1');
});

test('an unsent message never counts as unread', () => {
  const { seq: _, ...unsent } = message(2);
  expect(divided([message(1), unsent], 1)).toBeUndefined();
});
