import { expect, test } from 'vitest';
import { linkify } from './linkify.ts';

const links = (text: string) => linkify(text).flatMap((segment) => (segment.href === undefined ? [] : [segment.text]));

test('plain text stays one piece', () => {
  expect(linkify('hello <b>you</b>')).toEqual([{ text: 'hello <b>you</b>' }]);
  expect(linkify('')).toEqual([]);
});

test('the pieces joined give the text back', () => {
  for (const text of ['a https://x.org b', 'https://x.org', 'see (https://x.org/a_(b)). Then http://y.org!', 'https:// nothing']) {
    const joined = linkify(text)
      .map((segment) => segment.text)
      .join('');
    expect(joined).toBe(text);
  }
});

test('the punctuation of the sentence is not part of the link', () => {
  expect(links('Look at https://x.org/a, or https://y.org?q=1.')).toEqual(['https://x.org/a', 'https://y.org?q=1']);
  expect(links('(https://x.org/a)')).toEqual(['https://x.org/a']);
  expect(links('https://en.example.org/wiki/Log_(data)')).toEqual(['https://en.example.org/wiki/Log_(data)']);
});

test('a Chinese sentence ends a link without a space', () => {
  expect(links('请看https://x.org/a。谢谢')).toEqual(['https://x.org/a']);
  expect(links('（https://x.org/a）')).toEqual(['https://x.org/a']);
});

test('only http and https become links', () => {
  expect(links('javascript:alert(1) data:text/html,x ftp://x.org file:///etc/passwd')).toEqual([]);
  expect(links('HTTPS://X.org')).toEqual(['HTTPS://X.org']);
});

test('an address with credentials is no link: it is how one site poses as another', () => {
  expect(links('https://bank.example@evil.example/')).toEqual([]);
});

test('a link that is all punctuation costs one pass, and a huge one is text', () => {
  const closers = `http://a/${'.'.repeat(900)}x${')'.repeat(900)}`;
  expect(links(closers)).toEqual([`http://a/${'.'.repeat(900)}x`]);
  expect(links(`http://a/${')'.repeat(16_000)}`)).toEqual([]);
  expect(links('(see http://a/b_(c)_(d)).')).toEqual(['http://a/b_(c)_(d)']);
});
