import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Admit, createApi, createTokenSigner, createTokenVerifier } from '@gapless/api';
import { type Accounts, type Broker, createAccounts, createChat, Directory, OwnReads, SendLimits, Throttle } from '@gapless/core';
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
import { REQUESTS_PER_10_SEC } from '@gapless/protocol';
import { openBroker, openPresence } from './adapters.ts';
import type { Base, Part } from './base.ts';
import { createCommits } from './commits.ts';
import { Settings } from './live-settings.ts';
import { createOthers } from './others.ts';
import { Readiness } from './readiness.ts';
import type { RunningRelay } from './relay.ts';
import { Sampling } from './sampling.ts';
import type { Config } from './settings.ts';
import { startTwoPhase, storeWith } from './two-phase.ts';

/** Connections that the kernel has accepted and we did not see yet. Node asks for 511; a fleet that comes back at once is more, and who is turned away there tries again after seconds. */
const ACCEPT_BACKLOG = 65_535;

/** What a request that was begun before the end may take. */
const REQUESTS_END_MS = 3_000;

const WEB_ROOT = fileURLToPath(new URL('../../web/dist', import.meta.url));

/** Live connections, the API and the web app. */
export async function startChat(root: Base, { secret, relay }: { secret: string; relay: RunningRelay | undefined }): Promise<Part> {
  const settings = new Settings(root.config, root.log);
  const twoPhase = await startTwoPhase(root, settings, () => ({ writer, tell }));
  const ownReads = new OwnReads({
    store: storeWith(root.store, twoPhase),
    clock: root.clock,
    append: (command) => road.append(command),
    onError: (error) => root.log.warn({ err: error }, 'read positions of senders not written yet'),
    onHealed() {
      directory.suspectAll();
      gateway.hub.doubtPositions();
    },
  });
  const base: Base = { ...root, store: ownReads.store };
  const { config, log, clock, node, store, metrics } = base;
  const rateLimits = config.rateLimits === 'on';
  const sampling = new Sampling(config.logSampleRate);
  const broker = await openBroker(config, base);
  watchBroker(broker, base);
  const presence = await openPresence(config, node, base).catch(async (error: unknown) => {
    await broker.close();
    throw error;
  });
  const directory = new Directory(store, { shared: store.capabilities.multiProcess });

  const parts = () => ({ directory, gateway, accounts, settings, ownReads, twoPhase });
  const others = store.capabilities.multiProcess ? createOthers(base, broker, parts) : undefined;
  if (others === undefined && broker.capabilities.multiProcess) log.warn('nodes do not share this store: over the broker go rooms only');
  if (others !== undefined && !broker.capabilities.multiProcess)
    log.warn('nodes share this store, and there is no broker: what another one saves shows after a second. Set GAPLESS_BROKER');
  if (others !== undefined) settings.onSet = (change) => others.settings(change);

  const readiness = new Readiness(
    clock,
    { store: () => store.check(), accepting: async () => (gateway.draining ? 'draining' : undefined) },
    // Without the broker clients are served all the same, from the store.
    others === undefined ? {} : { broker: async () => (others.isDeaf ? 'away' : undefined) },
  );
  const { writer, tell } = createCommits(base, { sampling, failed: () => readiness.forget(), parts, others, relay });
  const road = twoPhase?.road ?? writer;
  const chat = createChat({
    store,
    directory,
    writer: road,
    clock,
    bodyMaxBytes: config.bodyMaxBytes,
    ensureMembers: () => settings.now.ensureMembers === 'send',
    ...(rateLimits ? { limits: new SendLimits(metrics.gateway.limited) } : {}),
  });
  const accounts: Accounts = await createAccounts({
    store,
    tokens: createTokenSigner({ secret }),
    clock,
    accessTtlMs: config.accessTokenMinutes * 60_000,
    registration: config.registration,
    rateLimits,
    announceRevoked: (sids, until) => others?.revoked(sids, until),
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
    ...(others === undefined ? {} : { others }),
  });
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
    if (role !== 'admin') requests.take(uid, clock.elapsed());
  };
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
    ...(others === undefined ? {} : { node, mailbox: others.mailbox }),
  });
  metrics.watchStreams(() => live.size);
  const api = await createApi({
    chat,
    accounts,
    verifier,
    clock,
    readiness: () => readiness.look(),
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
    endpoints: [chatEndpoint(gateway), roomsEndpoint(rooms)],
    allowedOrigins: config.allowedOrigins,
    admission,
    ipOf: addressOf(config, log),
  });

  /** What runs by itself, in the order in which nothing misses another. */
  async function stop(): Promise<void> {
    await writer.drain();
    await twoPhase?.close();
    await ownReads.close();
    await writer.close();
    await twoPhase?.end();
    others?.close();
    await accounts.close();
    gateway.stop();
    rooms.stop();
    await broker.close();
    await presence.close();
  }

  try {
    await others?.start();
    twoPhase?.start();
    await ownReads.heal();
    const reusePort = config.reusePort === 'on';
    await api.listen({ host: config.host, port: config.port, backlog: ACCEPT_BACKLOG, ...(reusePort ? { reusePort } : {}) });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port: (api.server.address() as AddressInfo).port,
    async close() {
      const drains = [gateway, rooms].map((part) => part.drain({ spreadMs: config.drainSpreadMs }));
      readiness.forget();
      // A balancer has to see that we are not ready before nobody answers here.
      if (others !== undefined) drains.push(clock.sleep(config.drainSpreadMs));
      await Promise.all(drains);
      // Requests that are under way are answered; one that never ends its own must not hold us.
      const stopWaiting = clock.after(REQUESTS_END_MS, () => api.server.closeAllConnections());
      await api.close();
      stopWaiting();
      await stop();
    },
  };
}

function watchBroker(broker: Broker, { log, metrics }: Base): void {
  broker.watch({
    restored() {
      metrics.cluster.restored();
      log.info('the broker is back');
    },
    restarted(error) {
      metrics.cluster.restarted();
      log.warn({ err: error }, 'a listener on the broker was started again');
    },
  });
}

/** Address of the client. Behind a proxy that we were not told of, all are one: then the limits of an address hold for everyone. */
function addressOf(config: Config, log: Base['log']): (request: IncomingMessage) => string {
  let warned = false;
  return (request) => {
    if (config.trustProxy === 'on') return forwardedFor(request) ?? request.socket.remoteAddress ?? '';
    if (!warned && config.rateLimits === 'on' && request.headers['x-forwarded-for'] !== undefined) {
      warned = true;
      log.warn('a proxy names its clients in X-Forwarded-For, and GAPLESS_TRUST_PROXY is off: they share the limits of one address');
    }
    return request.socket.remoteAddress ?? '';
  };
}

/** The address that the nearest proxy saw: the last one, since a client may send some of its own. */
function forwardedFor({ headers }: IncomingMessage): string | undefined {
  return [headers['x-forwarded-for'] ?? []].flat().join(',').split(',').at(-1)?.trim() || undefined;
}
