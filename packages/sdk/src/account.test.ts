import { beforeEach, expect, test, vi } from 'vitest';
import { createAccount } from './account.ts';
import { createHttpApi, createRequest } from './http.ts';
import { json, problem } from './testing/fake-server.ts';

// Goal: one session, refreshed once at a time, ended when the server says so. Method: a fake fetch that knows which refresh token counts.

const url = 'https://chat.example.org';
let storage: Map<string, string>;
let valid: string;
let calls: { path: string; body: Record<string, unknown>; token: string | null }[];
let offline: boolean;

const fetcher = (async (input: string, init: RequestInit) => {
  const { pathname } = new URL(input);
  const body = JSON.parse(String(init.body ?? '{}'));
  calls.push({ path: pathname, body, token: new Headers(init.headers).get('authorization') });
  if (offline) throw new TypeError('fetch failed');
  if (pathname.endsWith('/logout')) return new Response(null, { status: 204 });
  if (pathname.endsWith('/login') && body.password !== 'right password') return problem(401, 'unauthorized');
  if (pathname.endsWith('/refresh') && body.refreshToken !== valid) return problem(401, 'unauthorized');
  valid = `refresh-${calls.length}`;
  return json({ userId: 'ann', accessToken: `access-${calls.length}`, refreshToken: valid, expiresIn: 1_800 });
}) as typeof fetch;

const open = () =>
  createAccount({
    url,
    fetch: fetcher,
    storage: {
      getItem: (key) => storage.get(key) ?? null,
      setItem: (key, value) => void storage.set(key, value),
      removeItem: (key) => void storage.delete(key),
    },
  });

beforeEach(() => {
  vi.useFakeTimers();
  storage = new Map();
  calls = [];
  offline = false;
  return () => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  };
});

test('signed in, known at once after a reload, gone after logout', async () => {
  const account = open();
  expect([account.userId, await account.getToken()]).toEqual([undefined, undefined]);
  await account.register({ username: 'ann', password: 'right password' });
  expect(open().userId).toBe('ann');
  expect(await open().getToken()).toBe('access-1');
  await open().logout();
  expect(calls.at(-1)).toMatchObject({ path: '/v1/auth/logout', token: 'Bearer access-1' });
  expect([account.userId, await account.getToken()]).toEqual([undefined, undefined]);
});

test('a wrong password is unauthorized, and nothing is kept', async () => {
  await expect(open().login({ username: 'ann', password: 'wrong' })).rejects.toMatchObject({
    name: 'GaplessError',
    code: 'unauthorized',
    status: 401,
  });
  expect(storage.size).toBe(0);
});

test('refreshed a minute ahead, once for all callers; another tab takes what is there', async () => {
  const account = open();
  await account.login({ username: 'ann', password: 'right password' });
  await vi.advanceTimersByTimeAsync(1_700_000);
  expect(await account.getToken()).toBe('access-1');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await Promise.all([account.getToken(), account.getToken(), account.getToken()])).toEqual(['access-2', 'access-2', 'access-2']);
  expect(await open().getToken()).toBe('access-2');
  expect(calls.length).toBe(2);
});

test.each(['with', 'without'])('two tabs at once use the refresh token once, %s locks of the browser', async (locks) => {
  // Node 24 has locks, older ones do not.
  if (locks === 'without') vi.stubGlobal('navigator', {});
  else if (globalThis.navigator?.locks === undefined) return;
  const one = open();
  await one.login({ username: 'ann', password: 'right password' });
  await vi.advanceTimersByTimeAsync(1_790_000);
  const tokens = Promise.all([one.getToken(), open().getToken()]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await tokens).toEqual(['access-2', 'access-2']);
  expect(calls.map(({ path }) => path)).toEqual(['/v1/auth/login', '/v1/auth/refresh']);
});

test('refused: signed out', async () => {
  const account = open();
  await account.login({ username: 'ann', password: 'right password' });
  valid = 'revoked';
  await vi.advanceTimersByTimeAsync(1_790_000);
  expect([await account.getToken(), account.userId]).toEqual([undefined, undefined]);
});

test('offline: the old one while it counts, then an error; the session stays', async () => {
  const account = open();
  await account.login({ username: 'ann', password: 'right password' });
  offline = true;
  await vi.advanceTimersByTimeAsync(1_790_000);
  expect(await account.getToken()).toBe('access-1');
  await vi.advanceTimersByTimeAsync(20_000);
  await expect(account.getToken()).rejects.toMatchObject({ code: 'network' });
  offline = false;
  expect(await account.getToken()).toMatch(/^access-/);
});

test('HTTP: an expired token is replaced once, problems keep their code', async () => {
  const answers = [
    problem(401, 'token_expired'),
    json({ items: [] }),
    problem(429, 'rate_limited'),
    new Response('<html>', { status: 502 }),
  ];
  const tokens = ['old', 'new', 'new', 'new'];
  const seen: (string | null)[] = [];
  const request = createRequest(url, (async (_: string, init: RequestInit) => {
    seen.push(new Headers(init.headers).get('authorization'));
    return answers.shift()!;
  }) as typeof fetch);
  const api = createHttpApi(request, async () => tokens.shift());
  expect(await api.conversations()).toEqual({ items: [] });
  expect(seen).toEqual(['Bearer old', 'Bearer new']);
  await expect(api.me()).rejects.toMatchObject({ code: 'rate_limited', status: 429 });
  await expect(api.me()).rejects.toMatchObject({ code: 'server_busy', status: 502 });
  await expect(api.me()).rejects.toMatchObject({ code: 'unauthorized' });
});
