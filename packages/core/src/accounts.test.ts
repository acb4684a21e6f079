import { openMemoryStore } from '@gapless/adapters/store/memory';
import { FakeClock, settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { type Accounts, type AccountsDeps, createAccounts } from './accounts.ts';
import type { TokenSigner, VerifiedToken } from './auth.ts';
import { ChatError } from './errors.ts';

// Goal: sign-ins end when they must, and guessing is slow. Method: the memory store, a clock that stands still, tokens in the clear.

const PASSWORD = 'correct horse';
const CALLER = { ip: '192.0.2.1' };
const TTL_MS = 30 * 60_000;

const tokens: TokenSigner = { sign: async (claims) => JSON.stringify(claims) };

async function start(options: Partial<AccountsDeps> = {}) {
  const clock = new FakeClock();
  const store = openMemoryStore();
  const deps: AccountsDeps = { store, tokens, clock, accessTtlMs: TTL_MS, registration: 'open', rateLimits: true, ...options };
  const accounts = await createAccounts(deps);
  const register = (username = 'ann') => accounts.register({ username, password: PASSWORD }, CALLER);
  const login = (username = 'ann', password = PASSWORD, ip = CALLER.ip) => accounts.login({ username, password }, { ip });
  return { clock, store, deps, accounts, register, login };
}

const sidOf = (signedIn: { accessToken: string }): string => JSON.parse(signedIn.accessToken).sid;

test('registers, signs in, and says how long the token lives', async () => {
  const { register, login, clock } = await start();
  expect(await register()).toMatchObject({ userId: 'ann', expiresIn: 1_800 });
  const signedIn = await login();
  expect(signedIn.refreshToken).toMatch(/^[\w-]{43}$/);
  expect(JSON.parse(signedIn.accessToken)).toMatchObject({ uid: 'ann', name: 'ann', at: clock.now(), expiresAt: clock.now() + TTL_MS });
});

test('keeps the password as argon2id only, and the refresh token as a digest only', async () => {
  const { store, register } = await start();
  const seen: unknown[] = [];
  const createSession = store.createSession;
  store.createSession = (session) => {
    seen.push(session);
    return createSession(session);
  };
  const { refreshToken } = await register();
  expect((await store.credentials('ann'))?.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  expect(seen).toEqual([expect.objectContaining({ refreshHash: expect.stringMatching(/^[0-9a-f]{64}$/) })]);
  expect(JSON.stringify(seen)).not.toContain(refreshToken);
});

test('a wrong password and an unknown name answer the same', async () => {
  const { accounts, register, login } = await start();
  await register();
  const wrong = await login('ann', 'wrong').catch((error) => error);
  const unknown = await login('nobody', 'wrong').catch((error) => error);
  expect(wrong).toMatchObject({ code: 'unauthorized' });
  expect(unknown.message).toBe(wrong.message);
  await accounts.ensureSeen({ uid: 'of-a-token', role: 'user', expiresAt: 0 });
  await expect(login('of-a-token', '')).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a name is taken in any case of letters, also by a user of the app’s own tokens', async () => {
  const { accounts, register } = await start();
  await register('Ann');
  await expect(register('ann')).rejects.toMatchObject({ code: 'username_taken' });
  await accounts.ensureSeen({ uid: 'bob', role: 'user', expiresAt: 0 });
  await expect(register('bob')).rejects.toMatchObject({ code: 'username_taken' });
});

test('closed registration is forbidden', async () => {
  const { register } = await start({ registration: 'closed' });
  await expect(register()).rejects.toMatchObject({ code: 'forbidden' });
});

test('a refresh token works once; used again, it ends the sign-in', async () => {
  const { accounts, register } = await start();
  const first = await register();
  const ended: string[] = [];
  accounts.onRevoked((sids) => ended.push(...sids));

  const second = await accounts.refresh(first.refreshToken);
  expect(sidOf(second)).toBe(sidOf(first));
  expect(accounts.isRevoked(sidOf(first))).toBe(false);

  await expect(accounts.refresh(first.refreshToken)).rejects.toMatchObject({ code: 'unauthorized' });
  expect(ended).toEqual([sidOf(first)]);
  expect(accounts.isRevoked(sidOf(first))).toBe(true);
  await expect(accounts.refresh(second.refreshToken)).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a refresh token that nobody was given ends nothing', async () => {
  const { accounts } = await start();
  accounts.onRevoked(() => expect.fail());
  await expect(accounts.refresh('x')).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a sign-in unused for 30 days is over', async () => {
  const { accounts, register, clock } = await start();
  const { refreshToken } = await register();
  await clock.advance(30 * 24 * 60 * 60_000);
  await expect(accounts.refresh(refreshToken)).rejects.toMatchObject({ code: 'unauthorized' });
});

test('sign-out ends this sign-in alone, survives a restart, and is forgotten when its tokens have expired', async () => {
  const { accounts, register, login, clock, deps } = await start();
  const gone = await register();
  const stays = await login();
  await accounts.logout(sidOf(gone));
  await expect(accounts.refresh(gone.refreshToken)).rejects.toMatchObject({ code: 'unauthorized' });
  await accounts.refresh(stays.refreshToken);

  const restarted = await createAccounts(deps);
  expect([gone, stays].map(sidOf).map(restarted.isRevoked)).toEqual([true, false]);

  await clock.advance(60 * 60_000 + 1);
  const later = await createAccounts(deps);
  expect(later.isRevoked(sidOf(gone))).toBe(false);
  await accounts.logout(sidOf(stays));
  expect(accounts.isRevoked(sidOf(gone))).toBe(false);
});

const labels = async (accounts: Accounts, token: VerifiedToken) => (await accounts.sessions(token)).map(({ label }) => label);

/** Three sign-ins of ann, a minute between them, and what a token of each says. */
async function onThreeDevices() {
  const world = await start();
  const { accounts, clock, register } = world;
  await register();
  await accounts.signOutOthers({ uid: 'ann', role: 'user', expiresAt: 0 });
  const tokens: Record<string, VerifiedToken & { refreshToken: string }> = {};
  for (const label of ['phone', 'laptop', 'tablet']) {
    await clock.advance(60_000);
    const { accessToken, refreshToken } = await accounts.login({ username: 'ann', password: PASSWORD }, { ...CALLER, label });
    tokens[label] = { uid: 'ann', role: 'user', sid: sidOf({ accessToken }), expiresAt: clock.now() + TTL_MS, refreshToken };
  }
  const ended: string[] = [];
  const labelOf = (sid: string) => Object.keys(tokens).find((label) => tokens[label]!.sid === sid) ?? sid;
  accounts.onRevoked((sids) => ended.push(...[...sids].map(labelOf)));
  return { ...world, tokens: tokens as Record<'phone' | 'laptop' | 'tablet', (typeof tokens)[string]>, ended };
}

test('sign-ins are listed by when they were seen last; a refresh is being seen', async () => {
  const { accounts, clock, tokens } = await onThreeDevices();
  expect(await labels(accounts, tokens.phone)).toEqual(['tablet', 'laptop', 'phone']);
  await clock.advance(60_000);
  await accounts.refresh(tokens.phone.refreshToken);
  const [first] = await accounts.sessions(tokens.tablet);
  expect(first).toEqual({
    sid: tokens.phone.sid,
    uid: 'ann',
    label: 'phone',
    createdAt: clock.now() - 3 * 60_000,
    lastSeenAt: clock.now(),
    expiresAt: clock.now() + 30 * 24 * 60 * 60_000,
  });
  await clock.advance(30 * 24 * 60 * 60_000 - 1);
  expect(await labels(accounts, tokens.tablet)).toEqual(['phone']);
});

test('one sign-in is ended from another, at once and for good', async () => {
  const { accounts, tokens, ended, deps } = await onThreeDevices();
  await accounts.signOut('ann', tokens.phone.sid!);
  expect(ended).toEqual(['phone']);
  expect(accounts.isRevoked(tokens.phone.sid!)).toBe(true);
  await expect(accounts.refresh(tokens.phone.refreshToken)).rejects.toMatchObject({ code: 'unauthorized' });
  expect(await labels(accounts, tokens.laptop)).toEqual(['tablet', 'laptop']);
  expect((await createAccounts(deps)).isRevoked(tokens.phone.sid!)).toBe(true);
  await accounts.refresh(tokens.laptop.refreshToken);
});

test('another’s sign-in, one that never was and one that is over: there is nothing, and nothing happens', async () => {
  const { accounts, tokens, ended } = await onThreeDevices();
  await accounts.signOut('ann', tokens.tablet.sid!);
  ended.length = 0;
  const answers = [];
  for (const [uid, sid] of [
    ['bob', tokens.phone.sid!],
    ['ann', 'never'],
    ['ann', tokens.tablet.sid!],
  ] as const)
    answers.push(await accounts.signOut(uid, sid).catch(({ code, message }) => ({ code, message })));
  expect(answers).toEqual(Array(3).fill(answers[0]));
  expect(answers[0]).toMatchObject({ code: 'not_found' });
  expect([ended, accounts.isRevoked('never'), accounts.isRevoked(tokens.phone.sid!)]).toEqual([[], false, false]);
});

test('all others are ended, and the one that asks stays; a token of no sign-in ends all and sees none', async () => {
  const { accounts, tokens, ended } = await onThreeDevices();
  await accounts.signOutOthers(tokens.laptop);
  expect(ended.toSorted()).toEqual(['phone', 'tablet']);
  expect(await labels(accounts, tokens.laptop)).toEqual(['laptop']);
  const ofBackend = { uid: 'ann', role: 'user', expiresAt: 0 } as const;
  expect(await accounts.sessions(ofBackend)).toEqual([]);
  await accounts.signOutOthers(ofBackend);
  expect(ended.at(-1)).toBe('laptop');
});

test('the hundred-and-first sign-in ends the one not seen for longest', async () => {
  const { accounts, clock, store, tokens, ended } = await onThreeDevices();
  for (let i = 0; i < 97; i++) {
    const session = {
      sid: `s${i}`,
      uid: 'ann',
      label: '',
      createdAt: clock.now(),
      lastSeenAt: clock.now(),
      expiresAt: clock.now() + TTL_MS,
    };
    await store.createSession({ ...session, refreshHash: `t${i}`, liveMax: 100 });
  }
  await clock.advance(1);
  await accounts.refresh(tokens.phone.refreshToken);
  await accounts.login({ username: 'ann', password: PASSWORD }, CALLER);
  expect(ended).toEqual(['laptop']);
  expect(await accounts.sessions(tokens.phone)).toHaveLength(100);
});

test('what is left of sign-ins that ended a month ago is deleted by and by, until close', async () => {
  const { accounts, clock, store } = await onThreeDevices();
  const steps: number[] = [];
  const prune = store.pruneSessions;
  store.pruneSessions = async (...args) => {
    steps.push(await prune(...args));
    return steps.at(-1)!;
  };
  const HOUR_MS = 60 * 60_000;
  await clock.advance(30 * 24 * HOUR_MS);
  expect([steps.reduce((sum, rows) => sum + rows), steps.length]).toEqual([0, 30 * 24]);
  steps.length = 0;
  // The one of the registration was ended a moment ago; the others expire after 30 days.
  await clock.advance(2 * HOUR_MS);
  expect(steps).toEqual([1, 0, 0]);
  await clock.advance(30 * 24 * HOUR_MS);
  expect(steps.reduce((sum, rows) => sum + rows)).toBe(4);
  steps.length = 0;
  await accounts.close();
  await accounts.close();
  await clock.advance(5 * HOUR_MS);
  expect(steps).toEqual([]);
});

test('pruning that fails is tried again in an hour, and close waits for the step under way', async () => {
  const { accounts, clock, store } = await start();
  let answers: ((rows: number) => void)[] = [];
  let calls = 0;
  store.pruneSessions = () => {
    calls++;
    if (calls === 1) return Promise.reject(new ChatError('store_unavailable'));
    return new Promise((resolve) => answers.push(resolve));
  };
  await clock.advance(2 * 60 * 60_000);
  await clock.advance(60 * 60_000);
  expect(calls).toBe(2);
  let closed = false;
  const closing = accounts.close().then(() => (closed = true));
  await settled();
  expect(closed).toBe(false);
  for (const answer of answers) answer(200);
  answers = [];
  await closing;
  expect(calls).toBe(2);
});

test('five guesses at one account from one address, then a wait', async () => {
  const { register, login, clock } = await start();
  await register();
  for (let i = 0; i < 5; i++) await expect(login('ann', 'wrong')).rejects.toMatchObject({ code: 'unauthorized' });
  await expect(login('ANN')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 12_000 });
  await login('ann', PASSWORD, '192.0.2.2');
  await clock.advance(12_000);
  await login();
});

test('who signs in starts anew: the limit is for guesses', async () => {
  const { register, login } = await start();
  await register();
  for (let i = 0; i < 7; i++) await login();
  for (let i = 0; i < 4; i++) await expect(login('ann', 'wrong')).rejects.toMatchObject({ code: 'unauthorized' });
  await login();
  await expect(login('ann', 'wrong')).rejects.toMatchObject({ code: 'unauthorized' });
});

test('a refresh whose answer could not be decorated still gives its token', async () => {
  const { accounts, register, store } = await start();
  const { refreshToken } = await register();
  store.users = () => Promise.reject(new ChatError('store_unavailable'));
  const { refreshToken: next } = await accounts.refresh(refreshToken);
  expect(JSON.parse((await accounts.refresh(next)).accessToken)).toMatchObject({ uid: 'ann', name: 'ann' });
});

test('the sign-out of a sid that is not ours lasts as long as its token', async () => {
  const { accounts, clock } = await start();
  await accounts.logout('theirs', clock.now() + 24 * 60 * 60_000);
  await clock.advance(23 * 60 * 60_000);
  await accounts.logout('other');
  expect(accounts.isRevoked('theirs')).toBe(true);
  await clock.advance(2 * 60 * 60_000);
  await accounts.logout('another');
  expect(accounts.isRevoked('theirs')).toBe(false);
});

test('300 sign-ins and 200 registrations from one address, then a wait', async () => {
  const { accounts, store } = await start();
  const away = () => Promise.reject<never>(new ChatError('store_unavailable'));
  store.credentials = away;
  store.createAccount = away;
  const outcomes = async (count: number, attempt: (i: number) => Promise<unknown>) => {
    const errors = await Promise.all(
      Array.from({ length: count }, (_, i) => attempt(i).catch((error: ChatError) => error)) as Promise<ChatError>[],
    );
    return Map.groupBy(errors, (error) => (error as ChatError).code);
  };
  const login = (i: number) => accounts.login({ username: `u${i}`, password: 'wrong' }, { ip: `2001:db8:0:7::${i}` });
  expect((await outcomes(303, login)).get('rate_limited')).toHaveLength(3);
  const register = (i: number) => accounts.register({ username: `u${i}`, password: PASSWORD }, CALLER);
  expect((await outcomes(202, register)).get('rate_limited')).toHaveLength(2);
});

test('asks the store about a user once, and tells the user by name', async () => {
  const { accounts, store } = await start();
  let asked = 0;
  const ensureUser = store.ensureUser;
  store.ensureUser = (user) => {
    asked++;
    return ensureUser(user);
  };
  const token = { uid: 'carl', role: 'user', name: 'Carl C.', expiresAt: 0 } as const;
  for (let i = 0; i < 3; i++) await accounts.ensureSeen(token);
  expect(asked).toBe(1);
  expect(await accounts.me(token)).toMatchObject({ uid: 'carl', displayName: 'Carl C.' });
});
