import {
  type NotHere,
  type RunningPostgres,
  type RunningService,
  startKafka,
  startNats,
  startPostgres,
  startRedis,
} from '@gapless/testkit';
import type { Ends } from './ends.ts';

export const BROKERS = ['redis', 'nats', 'kafka'] as const;
export type BrokerKind = (typeof BROKERS)[number];

/** Settings as it comes, durability included; only connections, of which each node has a pool. */
export async function postgres(ends: Ends): Promise<RunningPostgres> {
  return ends.add(here('PostgreSQL', await startPostgres()), (service) => service.remove());
}

export async function broker(kind: BrokerKind, ends: Ends): Promise<RunningService> {
  const start = { redis: startRedis, nats: startNats, kafka: startKafka }[kind];
  return ends.add(here(kind, await start()), (service) => service.remove());
}

export function here<S extends RunningService>(name: string, service: S | NotHere): S {
  if ('reason' in service) throw new Error(`${name} cannot run here: ${service.reason}`);
  return service;
}
