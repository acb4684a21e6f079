import { type NotHere, type RunningService, sharedPostgres, startKafka, startNats, startRedis } from '@gapless/testkit';
import { afterAll, describe, test } from 'vitest';
import { CLUSTER } from '../conformance/world.ts';

/** What connects the nodes. */
export type BrokerName = 'redis' | 'nats' | 'kafka';

const START: Record<BrokerName, () => Promise<RunningService | NotHere>> = { redis: startRedis, nats: startNats, kafka: startKafka };

/** A broker for the tests of this file, and the environment of nodes that use it; or a skipped test that says why there is none. */
export async function brokerFor(name: BrokerName): Promise<{ server: RunningService; env: Record<string, string> } | undefined> {
  const postgres = await sharedPostgres();
  const server = 'reason' in postgres ? postgres : await START[name]();
  if ('reason' in server) {
    test(`nodes over ${name}`, (context) => context.skip(server.reason));
    return undefined;
  }
  afterAll(() => server.remove());
  return { server, env: { GAPLESS_BROKER: server.url } };
}

/** The same tests over each broker. */
export async function overEach(
  names: readonly BrokerName[],
  tests: (broker: { server: RunningService; env: Record<string, string> }, name: BrokerName) => void,
): Promise<void> {
  for (const name of names) {
    const broker = await brokerFor(name);
    if (broker !== undefined) describe(`over ${name}`, () => tests(broker, name));
  }
}

/** Runs a suite of test/conformance, whose connections go to two nodes in turn. */
export async function conformanceOver(name: BrokerName, suite: () => Promise<unknown>): Promise<void> {
  const broker = await brokerFor(name);
  if (broker === undefined) return;
  process.env[CLUSTER] = JSON.stringify({ nodes: 2, env: broker.env });
  await suite();
}
