import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openMemoryBroker } from '@gapless/adapters/broker/memory';
import { openMemoryPresence } from '@gapless/adapters/presence/memory';
import { openMemoryStore } from '@gapless/adapters/store/memory';
import { openSqliteStore } from '@gapless/adapters/store/sqlite';
import { type Admit, createApi, createTokenSigner, createTokenVerifier } from '@gapless/api';
import {
  type Broker,
  ChatError,
  type Committed,
  createAccounts,
  createChat,
  Directory,
  SendLimits,
  type Store,
  Throttle,
  Writer,
} from '@gapless/core';
import {
  Admission,
  chatEndpoint,
  GATEWAY_LIMITS,
  Gateway,
  openPolicy,
  Rooms,
  roomsEndpoint,
  SseEndpoint,
  serveWebSockets,
} from '@gapless/gateway';
import { systemClock } from '@gapless/kit';
import { REQUESTS_PER_10_SEC } from '@gapless/protocol';
import type { Logger } from 'pino';
import { ConfigError } from './config.ts';
import { ensureDataDir } from './data-dir.ts';
import { Settings } from './live-settings.ts';
import { createMetrics } from './metrics.ts';
import { Sampling } from './sampling.ts';
import { openSecret, SECRET_SAFE_CHARS } from './secret.ts';
import type { Config } from './settings.ts';

/** How long one answer of /readyz is good for. */
const READINESS_KEPT_MS = 500;

/** Connections that the kernel has accepted and we did not see yet. Node asks for 511; a fleet that comes back at once is more, and who is turned away there tries again after seconds. */
const ACCEPT_BACKLOG = 65_535;

/** What a request that was begun before the end may take. */
const REQUESTS_END_MS = 3_000;

const WEB_ROOT = fileURLToPath(new URL('../../web/dist', import.meta.url));

export interface Running {
  readonly url: string;
  readonly dataDir: string;
  readonly secretFile?: string;
  readonly secretMade: boolean;
  /** Asks clients to go, finishes what was accepted, closes everything. Safe to call twice. */
  close(): Promise<void>;
}

/** The composition root: chooses adapters by config and knows every part by name. `onFatal`: the store can never write again. */
export async function startServer(config: Config, log: Logger, onFatal: (error: unknown) => void): Promise<Running> {
  const clock = systemClock;
  const { secret, file, made } = openSecret(config.jwtSecret, config.dataDir);
  if (secret.length < SECRET_SAFE_CHARS)
    log.warn({ chars: secret.length }, `the secret is shorter than ${SECRET_SAFE_CHARS} characters: who guesses it can be anyone`);
  const store = await openStore(config, onFatal);
  const metrics = createMetrics({ writerDepth: () => writer.depth });
  const settings = new Settings(config, log);
  const rateLimits = config.rateLimits === 'on';
  const sampling = new Sampling(config.logSampleRate);
  let readyAt = 0;
  let ready: ReturnType<typeof look> | undefined;
  const directory = new Directory(store);
  const writer = new Writer({
    store,
    clock,
    onCommitted(committed) {
      directory.apply(committed);
      gateway.publish(committed);
      observe(committed);
    },
    onError(error) {
      ready = undefined;
      metrics.writer.failed();
      log.error({ err: error }, 'commit failed');
    },
    onBatch: metrics.writer.batch,
  });

  function observe({ entries }: Committed): void {
    let messages = 0;
    for (const entry of entries) {
      if (entry.op !== 'message') continue;
      messages++;
      const { cid, seq, from } = entry.message;
      if (sampling.hit(cid)) log.info({ cid, seq, from, kind: entry.message.kind }, 'message saved');
    }
    metrics.writer.saved(messages);
  }

  const chat = createChat({
    store,
    directory,
    writer,
    clock,
    bodyMaxBytes: config.bodyMaxBytes,
    ...(rateLimits ? { limits: new SendLimits(metrics.gateway.limited) } : {}),
  });
  const accounts = await createAccounts({
    store,
    tokens: createTokenSigner({ secret }),
    clock,
    accessTtlMs: config.accessTokenMinutes * 60_000,
    registration: config.registration,
    rateLimits,
  });
  const verifier = createTokenVerifier({
    secret,
    ...(config.jwksUrl === '' ? {} : { jwksUrl: config.jwksUrl }),
    addressed: {
      ...(config.jwtIssuer === '' ? {} : { issuer: config.jwtIssuer }),
      ...(config.jwtAudience === '' ? {} : { audience: config.jwtAudience }),
    },
    clock,
    isRevoked: (sid) => accounts.isRevoked(sid),
  });
  const presence = openMemoryPresence({ clock });
  const gateway: Gateway = new Gateway({
    chat,
    reads: store,
    directory,
    verifier,
    ensureSeen: (token) => accounts.ensureSeen(token),
    presence,
    clock,
    log,
    metrics: metrics.gateway,
    limits: { ...GATEWAY_LIMITS, backpressure: settings.backpressure, strategy: settings.strategy },
    rateLimits,
    singleSession: settings.singleSession,
  });
  const broker = openBroker(config);
  const rooms = new Rooms({
    broker,
    verifier,
    ensureSeen: (token) => accounts.ensureSeen(token),
    policy: openPolicy,
    queue: { max: config.roomsSendQueueMax, overflow: config.roomsSendOverflowPolicy },
    clock,
    log,
    metrics: metrics.rooms,
    rateLimits,
  });
  accounts.onRevoked((sids) => {
    gateway.kick((session) => sids.has(session.token?.sid ?? ''), 'You were signed out.');
    rooms.signOut((connection) => sids.has(connection.token?.sid ?? ''));
  });

  const requests = new Throttle({ attempts: REQUESTS_PER_10_SEC, windowMs: 10_000 });
  /** One user's requests; the backend speaks for many. */
  const admit: Admit = ({ uid, role }) => {
    if (role !== 'admin') requests.take(uid, clock.now());
  };

  /** Anyone may ask, and looking writes: one look serves all who ask within its time. */
  function readiness() {
    if (ready === undefined || clock.now() - readyAt >= READINESS_KEPT_MS) {
      readyAt = clock.now();
      ready = look();
    }
    return ready;
  }

  async function look() {
    const stored = await store.check().then(
      () => 'ok',
      (error: unknown) => (error instanceof ChatError ? error.code : 'failed'),
    );
    const checks = { store: stored, accepting: gateway.draining ? 'draining' : 'ok' };
    const ok = Object.values(checks).every((check) => check === 'ok');
    // Bad news is not kept: what asks again may hear that it is over.
    if (!ok) ready = undefined;
    return { ok, checks };
  }

  let warned = false;
  /** Address of the client. Behind a proxy that we were not told of, all are one: then the limits of an address hold for everyone. */
  function ipOf(request: IncomingMessage): string {
    if (config.trustProxy === 'on') return forwardedFor(request) ?? request.socket.remoteAddress ?? '';
    if (!warned && rateLimits && request.headers['x-forwarded-for'] !== undefined) {
      warned = true;
      log.warn('a proxy names its clients in X-Forwarded-For, and GAPLESS_TRUST_PROXY is off: they share the limits of one address');
    }
    return request.socket.remoteAddress ?? '';
  }

  const endpoints = [chatEndpoint(gateway), roomsEndpoint(rooms)];
  const admission = new Admission({
    maxConnections: config.maxConnections,
    live: () => gateway.sessions.size + rooms.connections.size,
    rateLimits,
    onLimited: () => metrics.gateway.limited('connects'),
    clock,
  });
  const live = new SseEndpoint({
    gateway,
    verifier,
    clock,
    allowedOrigins: config.allowedOrigins,
    admission,
  });
  metrics.watchStreams(() => live.size);
  const api = await createApi({
    chat,
    accounts,
    verifier,
    clock,
    readiness,
    metricsText: metrics.text,
    webRoot: WEB_ROOT,
    logger: log,
    trustProxy: config.trustProxy === 'on',
    logSampling: sampling,
    settings,
    rooms,
    live,
    ...(rateLimits ? { admit } : {}),
  });
  serveWebSockets(api.server, {
    endpoints,
    allowedOrigins: config.allowedOrigins,
    admission,
    ipOf,
  });

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    await Promise.all([gateway, rooms].map((live) => live.drain({ spreadMs: config.drainSpreadMs })));
    // Requests that are under way are answered; one that never ends its own must not hold us.
    const stopWaiting = clock.after(REQUESTS_END_MS, () => api.server.closeAllConnections());
    await api.close();
    stopWaiting();
    await writer.close();
    await accounts.close();
    gateway.stop();
    rooms.stop();
    await broker.close();
    await presence.close();
    await store.close();
  }

  try {
    await api.listen({ host: config.host, port: config.port, backlog: ACCEPT_BACKLOG });
  } catch (error) {
    await accounts.close();
    gateway.stop();
    rooms.stop();
    await store.close();
    throw error;
  }
  const { port } = api.server.address() as AddressInfo;
  return {
    url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    dataDir: config.dataDir,
    ...(file === undefined ? {} : { secretFile: file }),
    secretMade: made,
    close: () => (closing ??= close()),
  };
}

/** The address that the nearest proxy saw: the last one, since a client may send some of its own. */
function forwardedFor({ headers }: IncomingMessage): string | undefined {
  return [headers['x-forwarded-for'] ?? []].flat().join(',').split(',').at(-1)?.trim() || undefined;
}

/** @throws ConfigError when the data folder cannot be used: it is another server's, newer than this code, or not writable */
async function openStore(config: Config, onFatal: (error: unknown) => void): Promise<Store> {
  switch (config.store) {
    case 'memory':
      return openMemoryStore();
    case 'sqlite':
      ensureDataDir(config.dataDir);
      try {
        return await openSqliteStore({ path: join(config.dataDir, 'gapless.db'), onFatal });
      } catch (error) {
        throw new ConfigError(`${config.dataDir}: ${(error as Error).message}`, { cause: error });
      }
  }
}

function openBroker({ broker }: Config): Broker {
  switch (broker) {
    case 'memory':
      return openMemoryBroker();
  }
}
