import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKafkaBus } from '@gapless/adapters/bus/kafka';
import { openNatsBus } from '@gapless/adapters/bus/nats';
import { openMemoryStore } from '@gapless/adapters/store/memory';
import { openSqliteStore } from '@gapless/adapters/store/sqlite';
import { type Command, type EventBus, renderMessage, type Store } from '@gapless/core';
import { systemClock } from '@gapless/kit';
import { type NotHere, type RunningService, startKafka, startNats } from '@gapless/testkit';
import { type BusRecord, readKafkaEvents, readNatsEvents } from '@gapless/testkit/contract';
import { afterAll, describe, expect, test } from 'vitest';
import { busConsumer } from './bus-consumer.ts';
import { create, MortalFeed, send, startRelay } from './relay.test-util.ts';

// Goal: what is in the log is on the bus, whatever fails between them. Method: a store that is written to all the time, a real server that
// is killed and comes back, a worker that dies; then a reader of the server compares with the log.

const folder = mkdtempSync(join(tmpdir(), 'gapless-relay-bus-'));
const nats = await startNats({ jetStream: true });
const kafka = await startKafka();
afterAll(async () => {
  for (const server of [nats, kafka]) if (!('reason' in server)) await server.remove();
  rmSync(folder, { recursive: true, force: true });
});

interface Variant {
  readonly server: RunningService | NotHere;
  readonly open: (options: { url: string }) => Promise<EventBus>;
  readonly read: (url: string, source: string, count: number) => Promise<BusRecord[]>;
}

const BUSES: Record<string, Variant> = {
  'NATS JetStream': { server: nats, open: openNatsBus, read: readNatsEvents },
  Kafka: { server: kafka, open: openKafkaBus, read: readKafkaEvents },
};

const STORES: Record<string, (name: string) => Promise<Store>> = {
  memory: async () => openMemoryStore(),
  sqlite: (name) => openSqliteStore({ path: join(folder, `${name}.db`), onFatal: (error) => expect(error).toBeUndefined() }),
};

const CIDS = Array.from({ length: 10 }, (_, i) => `c${i}`);
const limits = { leaseTtlMs: 2_000, takeEveryMs: 100, retryMaxMs: 500 };

describe.each(Object.keys(BUSES))('%s', (bus) => {
  test.for(Object.keys(STORES))('every row of the %s store is on the bus, in order, across an outage and a death', async (name, ctx) => {
    const variant = BUSES[bus]!;
    if ('reason' in variant.server) return ctx.skip(variant.server.reason);
    const store = await STORES[name]!(bus.replace(' ', ''));
    await scenario({ ...variant, server: variant.server, store, source: `/test/${name}` });
    await store.close();
  });
});

async function scenario({
  server,
  open,
  read,
  store,
  source,
}: Variant & { server: RunningService; store: Store; source: string }): Promise<void> {
  const bus = await open({ url: server.url });
  const mortal = new MortalFeed(store);
  const options = { clock: systemClock, consumers: [busConsumer(bus, source)], limits };
  const first = await startRelay({ ...options, feed: mortal.feed, holder: 'w1' });
  const second = await startRelay({ ...options, feed: store, holder: 'w2' });
  await store.commit(CIDS.map((cid) => create(cid)));
  for (let round = 0; round < 60; round++) {
    if (round === 15) await server.kill();
    if (round === 35) await server.start();
    if (round === 45) mortal.die();
    await store.commit(CIDS.flatMap((cid) => changes(cid, round)));
    first.relay.nudge();
    second.relay.nudge();
    // Some batches, not one large one.
    await systemClock.sleep(5);
  }
  const log = await store.feed(0, { after: 0, limit: 100_000 });
  const records = await read(server.url, source, log.length);
  await second.relay.close();
  await bus.close();

  const seen = new Set<string>();
  const firsts = records.map(({ event }) => event).filter(({ id }) => seen.size < seen.add(id).size);
  expect(firsts).toHaveLength(log.length);
  for (const cid of CIDS) {
    const events = firsts.filter(({ subject }) => subject === cid);
    expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, rev) => rev));
    const messages = await store.messages(cid, { after: 0, limit: 1_000 });
    expect(events.filter(({ type }) => type === 'message.created').map(({ data }) => data)).toEqual(
      messages.map((message) => JSON.parse(renderMessage(message))),
    );
  }
}

function changes(cid: string, round: number): Command[] {
  const by = { cid, by: 'ann', at: 1 };
  const member: Command =
    round % 2 === 0 ? { op: 'add', ...by, users: ['bob'], role: 'member', createUsers: true } : { op: 'remove', ...by, uid: 'bob' };
  return [send(cid, `a${round}`), member, send(cid, `b${round}`)];
}
