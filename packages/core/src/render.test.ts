import { http } from '@gapless/protocol';
import { Compile } from 'typebox/compile';
import { expect, test } from 'vitest';
import type { MessageRecord } from './model.ts';
import { renderMessage } from './render.ts';

const plain: MessageRecord = {
  cid: 'c"1',
  seq: 7,
  rev: 9,
  mid: 'm1',
  from: 'zoë\u2028',
  at: 1_700_000_000_000,
  kind: 'te\\xt',
  body: '{"text":"hi \\"there\\""}',
};

test('a message renders to JSON of its fields, body as it is stored', () => {
  expect(JSON.parse(renderMessage(plain))).toEqual({ ...plain, body: { text: 'hi "there"' } });
});

test('optional fields appear when set, and fit the schema', () => {
  const full = { ...plain, editedAt: 1, recalledAt: 2, replyTo: 3, threadRoot: 4, mentions: ['a"b', 'c'] };
  const parsed = JSON.parse(renderMessage(full));
  expect(parsed).toEqual({ ...full, body: { text: 'hi "there"' } });
  expect(Compile(http.Message).Check(parsed)).toBe(true);
});

test('the frame begins with its type', () => {
  expect(renderMessage(plain, true).startsWith('{"t":"message",')).toBe(true);
  expect(JSON.parse(renderMessage(plain, true)).t).toBe('message');
});
