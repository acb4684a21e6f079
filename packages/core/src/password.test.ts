import { expect, test } from 'vitest';
import { PasswordHasher } from './password.ts';

test('a password fits its own hash alone, however its letters were composed', async () => {
  const hasher = new PasswordHasher();
  const hash = await hasher.hash('caf\u00e9');
  expect(await hasher.verify('caf\u00e9', hash)).toBe(true);
  expect(await hasher.verify('cafe\u0301', hash)).toBe(true);
  expect(await hasher.verify('cafe', hash)).toBe(false);
  expect(await hasher.hash('caf\u00e9')).not.toBe(hash);
});

test('reads hashes of other strength, as the string says', async () => {
  // Reference implementation: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -e
  const hash = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
  expect(await new PasswordHasher().verify('password', hash)).toBe(true);
});

test('without a hash nothing fits', async () => {
  expect(await new PasswordHasher().verify('', undefined)).toBe(false);
});

test('two run, a hundred wait, the next is refused at once; afterwards there is room again', async () => {
  const hasher = new PasswordHasher();
  const started = Array.from({ length: 102 }, () => hasher.verify('x', undefined));
  await expect(hasher.verify('x', undefined)).rejects.toMatchObject({ code: 'server_busy', retryAfterMs: 1_000 });
  await Promise.all(started);
  expect(await hasher.verify('x', undefined)).toBe(false);
});
