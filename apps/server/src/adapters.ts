import { join } from 'node:path';
import { openMemoryBroker } from '@gapless/adapters/broker/memory';
import { openMemoryPresence } from '@gapless/adapters/presence/memory';
import { openMemoryStore } from '@gapless/adapters/store/memory';
import type { AcceptLog, Broker, EventBus, Presence, Store } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import type { Logger } from 'pino';
import { ConfigError } from './config.ts';
import { ensureDataDir } from './data-dir.ts';
import { acceptLogOf, type Config, withoutPassword } from './settings.ts';

// Which adapter a setting means. Each is loaded when it is used, so that a start on one machine pays for nothing else.

interface Tools {
  readonly clock: Clock;
  readonly log: Logger;
}

/** @throws ConfigError when it cannot be used: it is another server's, newer than this code, not writable, or not there */
export async function openStore(
  config: Config,
  { log, onEnsureMembers }: Tools & { onEnsureMembers: (ms: number) => void },
  onFatal: (error: unknown) => void,
): Promise<Store> {
  if (config.store === 'memory') return openMemoryStore();
  if (config.store === 'sqlite') {
    const { openSqliteStore } = await import('@gapless/adapters/store/sqlite');
    ensureDataDir(config.dataDir);
    return openSqliteStore({ path: join(config.dataDir, 'gapless.db'), onFatal, onEnsureMembers }).catch(wrong(config.dataDir));
  }
  const { openPostgresStore } = await import('@gapless/adapters/store/postgres');
  const onError = (error: unknown) => log.warn({ err: error }, 'postgres');
  return openPostgresStore({ url: config.store, lanes: config.postgresLanes, onError, onEnsureMembers }).catch(wrong('store'));
}

/** @throws ConfigError when it is not there */
export async function openBroker({ broker, roomsKafkaTopic, redisShardedPubsub }: Config, { log }: Tools): Promise<Broker> {
  const onError = (error: unknown) => log.warn({ err: error }, 'broker');
  switch (schemeOf(broker)) {
    case 'redis':
    case 'rediss': {
      const { openRedisBroker } = await import('@gapless/adapters/broker/redis');
      return openRedisBroker({ url: broker, sharded: redisShardedPubsub === 'on', onError }).catch(wrong('broker'));
    }
    case 'nats':
    case 'tls': {
      const { openNatsBroker } = await import('@gapless/adapters/broker/nats');
      return openNatsBroker({ url: broker, onError }).catch(wrong('broker'));
    }
    case 'kafka': {
      const { openKafkaBroker } = await import('@gapless/adapters/broker/kafka');
      return openKafkaBroker({ url: broker, topicTemplate: roomsKafkaTopic, onError }).catch(wrong('broker'));
    }
    default:
      return openMemoryBroker();
  }
}

/** @throws ConfigError when it is not there */
export async function openPresence(config: Config, node: string, { clock, log }: Tools): Promise<Presence> {
  const { presence, broker, store } = config;
  const ofBroker = store.includes('://') && schemeOf(broker).startsWith('redis') ? broker : 'memory';
  const url = presence === 'auto' ? ofBroker : presence;
  if (url === 'memory') return openMemoryPresence({ clock });
  const { openRedisPresence } = await import('@gapless/adapters/presence/redis');
  const onError = (error: unknown) => log.warn({ err: error }, 'presence');
  return openRedisPresence({ url, node, clock, onError }).catch(wrong('presence'));
}

/** Undefined where there is none. @throws ConfigError when it is not there, or is none that can be used */
export async function openAcceptLog(config: Config, { clock, log }: Tools): Promise<AcceptLog | undefined> {
  const url = acceptLogOf(config);
  if (url === undefined) return undefined;
  const { openRedisAcceptLog } = await import('@gapless/adapters/accept/redis');
  return openRedisAcceptLog({
    url,
    clock,
    streamKey: config.twoPhaseAcceptedStreamKey,
    deliverGroup: config.twoPhaseDeliverGroup,
    saveGroup: config.twoPhaseSaveGroup,
    shards: config.twoPhaseShards,
    backlogMax: config.twoPhaseBacklogMax,
    onError: (error: unknown) => log.warn({ err: error }, 'accept log'),
  }).catch(wrong('two-phase-redis'));
}

/** Undefined where there is none. @throws ConfigError when it is not there */
export async function openBus({ bus }: Config, { log }: Tools): Promise<EventBus | undefined> {
  if (bus === 'none') return undefined;
  const onError = (error: unknown) => log.warn({ err: error }, 'event bus');
  if (schemeOf(bus) === 'kafka') {
    const { openKafkaBus } = await import('@gapless/adapters/bus/kafka');
    return openKafkaBus({ url: bus, onError }).catch(wrong('bus'));
  }
  const { openNatsBus } = await import('@gapless/adapters/bus/nats');
  return openNatsBus({ url: bus, onError }).catch(wrong('bus'));
}

function schemeOf(place: string): string {
  return /^([a-z]+):\/\//.exec(place)?.[1] ?? place;
}

/** What a client library says when it cannot connect, as one line for the person at the terminal. */
export function wrong(what: string): (error: unknown) => never {
  return (error) => {
    throw new ConfigError(withoutPassword(`${what}: ${reasonOf(error)}`), { cause: error });
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const { message, code, cause } = error as Error & { code?: string };
  return message || code || (cause === undefined ? String(error) : reasonOf(cause));
}
