import { expect, test } from 'vitest';
import { read, stored, texts, toNumbers } from './text.ts';

const TEXTS = ['', 'ann', '你好 👋', '\0', 'a\0b\u0001c\u0002d', '\u0001e', '\u00010', 'e', '0', '"{},\\', 'NULL', ' '];

test('what is stored is read as it was, and holds nothing that Postgres or a list cannot', () => {
  for (const text of TEXTS) {
    expect(read(stored(text))).toBe(text);
    for (const char of ['\0', '\u0002']) expect(stored(text)).not.toContain(char);
    expect(stored(text)).not.toBe('');
  }
  expect(new Set(TEXTS.map(stored)).size).toBe(TEXTS.length);
});

test('half characters become U+FFFD, as everywhere in UTF-8', () => {
  expect(read(stored('a\ud800b'))).toBe('a\ufffdb');
});

test('a list keeps its items apart, and none from an empty one', () => {
  expect(texts(TEXTS).split('\u0002').map(read)).toEqual(TEXTS);
  expect(texts(['a', undefined, ''])).toBe('a\u0002\u0002\u0001e');
});

test('arrays of numbers come back, NULL as NaN', () => {
  expect(toNumbers('{1,NULL,9007199254740991}')).toEqual([1, Number.NaN, Number.MAX_SAFE_INTEGER]);
  expect(toNumbers('{}')).toEqual([]);
  expect(toNumbers(null)).toEqual([]);
});
