import { expect, test } from 'vitest';
import { en } from '../i18n/en.ts';
import { isJumbo, messageText, splitNames } from './text.ts';

test('names may be separated the English and the Chinese way', () => {
  expect(splitNames(' bob, carol、dave；eve  bob ')).toEqual(['bob', 'carol', 'dave', 'eve']);
  expect(splitNames('  ')).toEqual([]);
});

test('up to three emoji are large, words and digits are not', () => {
  expect(isJumbo('👍')).toBe(true);
  expect(isJumbo('👩‍👩‍👧 🇫🇷 ❤️')).toBe(true);
  expect(isJumbo('👍👍👍👍')).toBe(false);
  expect(isJumbo('ok 👍')).toBe(false);
  expect(isJumbo('7')).toBe(false);
  expect(isJumbo(' ')).toBe(false);
});

test('whatever the body holds, there is a text', () => {
  expect(messageText({ kind: 'text', body: { text: 'hi' } }, en)).toBe('hi');
  expect(messageText({ kind: 'text', body: { text: 'hi' }, recalledAt: 1 }, en)).toBe(en.recalled);
  expect(messageText({ kind: 'file', body: { name: 'a.pdf' } }, en)).toBe('File: a.pdf');
  expect(messageText({ kind: 'poll', body: { text: 7 } }, en)).toBe(en.attachment.other);
});
