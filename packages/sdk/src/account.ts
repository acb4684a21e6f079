import type { http } from '@gapless/protocol';
import { GaplessError } from './errors.ts';
import { createRequest } from './http.ts';
import type { Account, AccountOptions } from './types.ts';

const KEY = 'gapless.session';

/** Longer than a request on the way, and a clock that drifts. */
const REFRESH_AHEAD_MS = 60_000;

interface Session {
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Epoch ms of this machine's clock. */
  readonly expiresAt: number;
}

/** Of a tab that was closed while it refreshed. */
const LOCK_DIES_MS = 15_000;
const LOCK_POLL_MS = 100;

/**
 * A local account of the server. The storage is the truth: tabs that share it share the session.
 *
 * A refresh token works once, and using it again revokes the whole session. So there is one refresh at a time over all tabs, and
 * whoever has the lock looks first whether another tab has refreshed meanwhile.
 */
export function createAccount({ url, storage = memoryStorage(), fetch: fetcher }: AccountOptions): Account {
  const request = createRequest(url, fetcher);
  let refreshing: Promise<string | undefined> | undefined;

  function read(): Session | undefined {
    const text = storage.getItem(KEY);
    if (text === null) return undefined;
    try {
      return JSON.parse(text) as Session;
    } catch {
      storage.removeItem(KEY);
      return undefined;
    }
  }

  function write({ userId, accessToken, refreshToken, expiresIn }: http.Tokens): void {
    const session: Session = { userId, accessToken, refreshToken, expiresAt: Date.now() + expiresIn * 1_000 };
    storage.setItem(KEY, JSON.stringify(session));
  }

  async function refresh(): Promise<string | undefined> {
    const session = read();
    if (session === undefined || isFresh(session)) return session?.accessToken;
    try {
      const tokens = await request<http.Tokens>('/v1/auth/refresh', { method: 'POST', body: { refreshToken: session.refreshToken } });
      // Signed out, or in as someone else, while the answer was on its way: these tokens are nobody's.
      if (read()?.refreshToken !== session.refreshToken) return read()?.accessToken;
      write(tokens);
      return tokens.accessToken;
    } catch (error) {
      const now = read();
      if (error instanceof GaplessError && error.status === 401) {
        if (now?.refreshToken === session.refreshToken) storage.removeItem(KEY);
        return undefined;
      }
      // It still counts for a moment; the next call tries again.
      if (now !== undefined && now.expiresAt > Date.now()) return now.accessToken;
      throw error;
    }
  }

  async function getToken(): Promise<string | undefined> {
    const session = read();
    if (session === undefined || isFresh(session)) return session?.accessToken;
    refreshing ??= oneTab(storage, refresh).finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  /** For the sign-out of a session that the storage has no more. */
  async function lastToken({ accessToken, refreshToken, expiresAt }: Session): Promise<string> {
    if (expiresAt > Date.now()) return accessToken;
    return (await request<http.Tokens>('/v1/auth/refresh', { method: 'POST', body: { refreshToken } })).accessToken;
  }

  return {
    get userId() {
      return read()?.userId;
    },
    register: async (account) => write(await request('/v1/auth/register', { method: 'POST', body: account })),
    login: async (account) => write(await request('/v1/auth/login', { method: 'POST', body: account })),
    getToken,
    async logout() {
      // Taken away at once: who signs in meanwhile is not signed out.
      const session = read();
      storage.removeItem(KEY);
      if (session !== undefined) await request('/v1/auth/logout', { method: 'POST', token: await lastToken(session) });
    },
  };
}

type SessionStorage = NonNullable<AccountOptions['storage']>;

async function oneTab<T>(storage: SessionStorage, task: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (locks !== undefined) return locks.request(KEY, task);
  // Browsers have locks only on secure origins. A mark in the storage leaves a moment of milliseconds in which two tabs may both go.
  const mark = `${KEY}.refreshing`;
  while (Date.now() - Number(storage.getItem(mark) ?? 0) < LOCK_DIES_MS) await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  storage.setItem(mark, String(Date.now()));
  try {
    return await task();
  } finally {
    storage.removeItem(mark);
  }
}

const isFresh = (session: Session) => session.expiresAt - Date.now() > REFRESH_AHEAD_MS;

function memoryStorage(): SessionStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}
