import { afterEach, expect, test, vi } from 'vitest';
import { inWords, missingAbility, missingTools } from './tools.ts';

afterEach(() => vi.unstubAllEnvs());

test('what is missing is named with its Debian package', () => {
  vi.stubEnv('PATH', '/nowhere');
  expect(missingTools('strace', 'nbdfuse')).toEqual([
    'the program strace (Debian package strace)',
    'the program nbdfuse (Debian package libnbd-bin)',
  ]);
});

test('an ability is tried', () => {
  const refuse = () => {
    throw new Error('Operation not permitted');
  };
  expect(missingAbility('TUN devices', () => {})).toEqual([]);
  expect(missingAbility('TUN devices', refuse)).toEqual(['TUN devices (tried: Operation not permitted)']);
});

test('nothing missing is undefined, and nothing is said twice', () => {
  expect(inWords([], [])).toBeUndefined();
  expect(inWords(['root'], ['root', 'strace'])).toBe('it takes root, and strace');
});
