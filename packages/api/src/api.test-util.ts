import { Writable } from 'node:stream';
import { openMemoryStore } from '@gapless/adapters/store/memory';
import { createAccounts, createChat, Directory, OwnReads, type Store, Writer } from '@gapless/core';
import { FakeClock } from '@gapless/testkit';
import { type FastifyBaseLogger, fastify } from 'fastify';
import { createTokenSigner } from './auth/signer.ts';
import { createTokenVerifier } from './auth/verifier.ts';
import type { LiveStreams, Readiness, RoomNotices } from './route.ts';
import { createApi } from './server.ts';

export const SECRET = 'a secret of the tests, thirty-two characters or more';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD';

export interface StartOptions {
  rateLimits?: boolean;
  webRoot?: string;
  readiness?: Readiness;
  trustProxy?: boolean;
  rooms?: RoomNotices;
  live?: LiveStreams;
}

/** The API over the memory store, without a socket. */
export async function startApi({
  rateLimits = false,
  webRoot = '/nowhere',
  readiness = { ok: true, checks: {} },
  trustProxy = false,
  rooms,
  live,
}: StartOptions = {}) {
  const clock = new FakeClock();
  const ownReads = new OwnReads({ store: openMemoryStore(), clock, append: (command) => writer.append(command), onError() {} });
  const store: Store = ownReads.store;
  const directory = new Directory(store);
  const writer = new Writer({ store, clock, onCommitted: (committed) => directory.apply(committed) });
  const chat = createChat({ store, directory, writer, clock });
  const tokens = createTokenSigner({ secret: SECRET });
  const accounts = await createAccounts({ store, tokens, clock, accessTtlMs: 30 * 60_000, registration: 'open', rateLimits });
  const verifier = createTokenVerifier({ secret: SECRET, clock, isRevoked: accounts.isRevoked });
  const log = captureLog();
  let rules: { rate: number; cids: readonly string[] } = { rate: 0, cids: [] };
  const app = await createApi({
    chat,
    accounts,
    verifier,
    clock,
    readiness: async () => readiness,
    metricsText: async () => ({ contentType: 'text/plain; version=0.0.4; charset=utf-8', body: 'up 1\n' }),
    webRoot,
    logger: log.logger,
    trustProxy,
    settings: { list: () => [], set: () => {} },
    logSampling: { get: () => rules, set: (next) => (rules = next) },
    ...(rooms === undefined ? {} : { rooms }),
    ...(live === undefined ? {} : { live }),
  });

  async function call(method: Method, url: string, { token, body }: { token?: string; body?: unknown } = {}) {
    const response = await app.inject({
      method,
      url,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    const json = String(response.headers['content-type']).includes('json') && response.body !== '';
    return { status: response.statusCode, headers: response.headers, text: response.body, body: json ? response.json() : undefined };
  }

  /** Registers, and gives the access token. */
  async function signUp(username: string): Promise<string> {
    const { body } = await call('POST', '/v1/auth/register', { body: { username, password: 'correct horse' } });
    return body.accessToken;
  }

  return { app, call, signUp, chat, store, accounts, clock, logged: log.text };
}

/** Fastify's own kind of logger, at its most talkative, into a string. */
function captureLog(): { logger: FastifyBaseLogger; text: () => string } {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  return { logger: fastify({ logger: { level: 'trace', stream } }).log, text: () => text };
}
