import {
  findKafka,
  findNats,
  findPostgres,
  findRedis,
  type NotHere,
  type PostgresOptions,
  type RedisOptions,
  type RunningPostgres,
  type RunningService,
  startKafka,
  startNats,
  startPostgres,
  startRedis,
} from '@gapless/launch';
import type { DrillContext } from './drill.ts';

export type ServiceName = 'postgres' | 'redis' | 'nats' | 'kafka';

const FIND: Record<ServiceName, () => object | Promise<object>> = {
  postgres: findPostgres,
  redis: findRedis,
  nats: findNats,
  kafka: findKafka,
};

/** Why one of these services cannot run on this machine. */
export async function missing(...names: readonly ServiceName[]): Promise<string | undefined> {
  for (const name of names) {
    const found = (await FIND[name]()) as object | NotHere;
    if ('reason' in found) return found.reason;
  }
  return undefined;
}

// Each starts a server of its own, which ends with the drill.

export async function openPostgres(context: DrillContext, options: PostgresOptions = {}): Promise<RunningPostgres> {
  return opened(context, 'PostgreSQL', await startPostgres(options));
}

export async function openRedis(context: DrillContext, options: RedisOptions = {}): Promise<RunningService> {
  return opened(context, 'Redis', await startRedis(options));
}

/** It writes each command to disk within a second, and has them again when it is started again. */
export const REDIS_WITH_FILE: RedisOptions = { settings: { appendonly: 'yes' } };

/** Nodes in other network namespaces get there. */
export const OPEN_TO_NODES: RedisOptions = { settings: { bind: '0.0.0.0', 'protected-mode': 'no' } };

export async function openNats(context: DrillContext): Promise<RunningService> {
  return opened(context, 'NATS', await startNats());
}

export async function openKafka(context: DrillContext): Promise<RunningService> {
  return opened(context, 'Kafka', await startKafka());
}

function opened<S extends RunningService>({ log, onCleanup }: DrillContext, name: string, service: S | NotHere): S {
  if ('reason' in service) throw new Error(service.reason);
  onCleanup(() => service.remove());
  log(`started ${name} ${service.version} on port ${service.port}`);
  return service;
}
