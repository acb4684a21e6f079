import { type NotHere, type RunningService, sharedPostgres, startKafka, startNats } from '@gapless/testkit';
import { readKafkaEvents, readNatsEvents } from '@gapless/testkit/contract';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startCluster, stopAll } from './cluster.ts';
import { expectSame, peopleOn, progress } from './person.ts';

// Goal: workers beside gateways bring every change to the event bus, also when one of them is killed. Method: two gateways, a worker, and a
// reader of the bus that knows nothing of Gapless.

interface Bus {
  readonly name: string;
  start(): Promise<RunningService | NotHere>;
  read: typeof readNatsEvents;
}

const BUSES: readonly Bus[] = [
  { name: 'NATS JetStream', start: () => startNats({ jetStream: true }), read: readNatsEvents },
  { name: 'Kafka', start: startKafka, read: readKafkaEvents },
];
const NAMES = ['ada', 'bo', 'cy', 'dee'];

describe.each(BUSES)('$name', ({ start, read }) => {
  test('every change is an event, in the order of its conversation; a worker that is killed is no loss', async (context) => {
    const postgres = await sharedPostgres();
    const server = 'reason' in postgres ? postgres : await start();
    if ('reason' in server) return context.skip(server.reason);
    onTestFinished(() => server.remove());
    const cluster = await startCluster({ nodes: 2, env: { GAPLESS_ROLE: 'gateway', GAPLESS_BROKER: server.url, GAPLESS_BUS: server.url } });
    const gateways = [...cluster.nodes];
    const startWorker = () => cluster.add({ GAPLESS_ROLE: 'worker' });
    const killed = await startWorker();
    const cid = await cluster.group(...NAMES);
    const people = peopleOn(gateways, cid, NAMES);
    for (const person of people) person.talk();
    await progress(people, 10);
    await killed.kill();
    const worker = await startWorker();
    await progress(people, 10);
    for (const person of people) await person.hush();
    await expectSame(people, gateways);

    const messages = people[0]!.seen;
    const events = (await read(server.url, 'gapless', messages.length + 1)).map(({ event }) => event);
    expect(events.every(({ specversion, subject, partitionkey }) => specversion === '1.0' && subject === cid && partitionkey === cid)).toBe(
      true,
    );
    const first = events.filter(({ id }, i) => events.findIndex((other) => other.id === id) === i);
    expect(first.map(({ type }) => type)).toEqual(['conversation.created', ...messages.map(() => 'message.created')]);
    expect(first.map(({ sequence }) => Number(sequence))).toEqual(first.map((_, rev) => rev));
    expect(first.slice(1).map(({ data }) => data)).toEqual(messages.map((message) => expect.objectContaining({ cid, ...message })));

    const status = async (path: string, method = 'GET') => (await fetch(`${worker.url}${path}`, { method })).status;
    expect([await status('/livez'), await status('/readyz'), await status('/metrics')]).toEqual([200, 200, 200]);
    expect([await status('/v1/me'), await status('/ws'), await status('/'), await status('/livez', 'POST')]).toEqual([404, 404, 404, 405]);
    for (const person of people) await person.leave();
    await stopAll([...gateways, worker]);
  });
});
