import type { http } from '@gapless/protocol';
import { ERRORS, type ErrorCode } from '@gapless/protocol/codes';
import { GaplessError, knownCode } from './errors.ts';
import type { HttpApi } from './types.ts';

/** Longer than any answer of a healthy server; a phone that changes cells recovers by then. */
const TIMEOUT_MS = 30_000;

export interface RequestOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly token?: string;
}

export type Request = <T = void>(path: string, options?: RequestOptions) => Promise<T>;

/** One call, one answer. @throws GaplessError with the code of the problem, or `network` or `timeout` */
export function createRequest(origin: string, fetcher: typeof fetch = globalThis.fetch): Request {
  return async <T>(path: string, { method = 'GET', body, query = {}, token }: RequestOptions = {}) => {
    const url = new URL(path, origin);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    const headers: Record<string, string> = {};
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    try {
      const response = await fetcher(url.href, {
        method,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw problem(response, text);
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch (error) {
      if (error instanceof GaplessError) throw error;
      const timeout = error instanceof Error && error.name === 'TimeoutError';
      throw new GaplessError(timeout ? 'timeout' : 'network', timeout ? 'no answer in time' : 'the server cannot be reached', {
        cause: error,
      });
    }
  };
}

/** What an answer that is not ok says. */
export function problem(response: Response, text: string): GaplessError {
  const { status } = response;
  let fields: { code?: unknown; detail?: string; title?: string; retryAfterMs?: number } = {};
  try {
    fields = JSON.parse(text) ?? {};
  } catch {
    // Not of this server: a proxy's page. The status has to do.
  }
  const code = knownCode(fields.code) ?? codeOf(status);
  const headerSec = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = fields.retryAfterMs ?? (Number.isFinite(headerSec) ? headerSec * 1_000 : undefined);
  return new GaplessError(code, fields.detail ?? fields.title ?? ERRORS[code].say, {
    status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function codeOf(status: number): ErrorCode {
  if (status >= 500) return status === 500 ? 'internal' : 'server_busy';
  const found = Object.entries(ERRORS).find(([, row]) => row.http === status);
  return (found?.[0] as ErrorCode | undefined) ?? 'bad_frame';
}

/** The API with a token that is asked for at each call; an expired one is replaced once. */
export function createHttpApi(request: Request, getToken: () => Promise<string | undefined>): HttpApi {
  async function call<T = void>(path: string, options: RequestOptions = {}): Promise<T> {
    const token = await tokenOr(getToken);
    try {
      return await request<T>(path, { ...options, token });
    } catch (error) {
      if (!(error instanceof GaplessError) || error.code !== 'token_expired') throw error;
      const fresh = await tokenOr(getToken);
      if (fresh === token) throw error;
      return request<T>(path, { ...options, token: fresh });
    }
  }
  const at = (cid: string, rest = '') => `/v1/conversations/${encodeURIComponent(cid)}${rest}`;

  return {
    me: () => call('/v1/me'),
    createConversation: (body) => call('/v1/conversations', { method: 'POST', body }),
    conversation: (cid) => call(at(cid)),
    conversations: (query = {}) => call('/v1/conversations', { query }),
    addParticipants: (cid, userIds, role) =>
      call(at(cid, '/participants'), { method: 'POST', body: { userIds, ...(role === undefined ? {} : { role }) } }),
    removeParticipant: (cid, userId) => call(at(cid, `/participants/${encodeURIComponent(userId)}`), { method: 'DELETE' }),
    updateConversation: (cid, body) => call(at(cid), { method: 'PATCH', body }),
    messages: (cid, query = {}) => call(at(cid, '/messages'), { query }),
    logout: () => call('/v1/auth/logout', { method: 'POST' }),
    sessions: async () => (await call<http.SessionList>('/v1/me/sessions')).items,
    signOutSession: (sid) => call(`/v1/me/sessions/${encodeURIComponent(sid)}`, { method: 'DELETE' }),
    signOutOthers: () => call('/v1/me/sessions', { method: 'DELETE' }),
  };
}

async function tokenOr(getToken: () => Promise<string | undefined>): Promise<string> {
  const token = await getToken();
  if (token === undefined) throw new GaplessError('unauthorized', 'signed out');
  return token;
}
