import type { LogFeed } from '@gapless/core';
import { settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { RELAY_LIMITS } from './limits.ts';
import { cidsOf, create, fill, MortalFeed, parted, send, startRelay, world } from './relay.test-util.ts';

// Goal: many parts and workers share the work. Method: a feed of many parts over the memory store, workers that join, leave and die.

test('where there are many parts, nudges are gathered; one still shortens the wait', async () => {
  const { clock, store, recorder } = world();
  let reads = 0;
  const inner = parted(store, 4);
  const feed: LogFeed = {
    ...inner,
    feed(...args) {
      reads++;
      return inner.feed(...args);
    },
  };
  const { relay } = await startRelay({ feed, clock, consumers: [recorder.consumer('w1')] });
  await clock.advance(60_000);
  await fill(store, ['c1'], 1);
  reads = 0;
  for (let i = 0; i < 100; i++) relay.nudge();
  await settled();
  expect(reads).toBe(0);
  await clock.advance(50);
  expect(recorder.revs('c1')).toEqual([0, 1]);
  expect(reads).toBeLessThanOrEqual(8);
  await clock.advance(60_000);
  await fill(store, ['c1'], 1, 'n');
  relay.nudge();
  await clock.advance(50);
  expect(recorder.revs('c1')).toEqual([0, 1, 2]);
  await relay.close();
});

test('two workers that start together share the parts, and one that joins gets its share', async () => {
  const { clock, store, recorder } = world();
  const cids = cidsOf(32);
  await fill(store, cids, 3);
  const feed = parted(store, 16);
  const start = (holder: string) => startRelay({ feed, clock, consumers: [recorder.consumer(holder)], holder });
  const workers = await Promise.all(['w1', 'w2'].map(start));
  await clock.advance(30_000);
  expect(workers.map(({ gauges }) => gauges.owned.get('bus'))).toEqual([8, 8]);
  await recorder.expectAll(store, cids);

  const third = await start('w3');
  await clock.advance(30_000);
  const owned = [...workers, third].map(({ gauges }) => gauges.owned.get('bus')!);
  expect(owned.reduce((a, b) => a + b)).toBe(16);
  expect(Math.max(...owned)).toBeLessThanOrEqual(6);
  expect(Math.min(...owned)).toBeGreaterThanOrEqual(4);

  // The seats and parts of one that goes are the others'.
  await workers[0]!.relay.close();
  await clock.advance(30_000);
  expect([workers[1]!, third].map(({ gauges }) => gauges.owned.get('bus'))).toEqual([8, 8]);
  await fill(store, cids, 3, 'n');
  await clock.advance(5_000);
  await recorder.expectAll(store, cids);
  for (const { relay } of [workers[1]!, third]) await relay.close();
});

test('many parts, workers that die and join while commits go on: all rows, in order, one owner per part at a time', async () => {
  const { clock, store, recorder } = world();
  const cids = cidsOf(24);
  const owner = new Map<number, string>();
  const strangers: string[] = [];
  const feed = parted(store, 8);
  const watched = (worker: string): LogFeed => ({
    ...feed,
    async acquireLease(name, holder, ttlMs) {
      const got = await feed.acquireLease(name, holder, ttlMs);
      const part = /^relay\/bus\/(\d+)$/.exec(name)?.[1];
      if (got && part !== undefined) owner.set(Number(part), worker);
      return got;
    },
  });
  const consumer = (worker: string) => {
    const inner = recorder.consumer(worker);
    return {
      ...inner,
      async handle(rows: Parameters<typeof inner.handle>[0]) {
        for (const { entry } of rows)
          if (owner.get(Number(/\d+$/.exec(entry.cid)) % 8) !== worker) strangers.push(`${worker} ${entry.cid}`);
        await inner.handle(rows);
      },
    };
  };
  const mortals = new Map<string, MortalFeed>();
  const join = (holder: string) => {
    const mortal = new MortalFeed(watched(holder));
    mortals.set(holder, mortal);
    return startRelay({ feed: mortal.feed, clock, consumers: [consumer(holder)], holder });
  };
  await join('w1');
  const second = await join('w2');
  for (const [i, event] of ['', 'w3 joins', 'w1 dies', '', 'w4 joins', 'w2 leaves', 'w3 dies', ''].entries()) {
    const [who, what] = event.split(' ');
    if (what === 'joins') await join(who!);
    if (what === 'dies') mortals.get(who!)!.die();
    if (what === 'leaves') await second.relay.close();
    for (let round = 0; round < 10; round++) {
      await fill(store, cids, 2, `${i} ${round} `);
      await clock.advance(1_700);
    }
  }
  await clock.advance(RELAY_LIMITS.leaseTtlMs * 2);
  await recorder.expectAll(store, cids);
  expect(new Set(recorder.rows.map(({ worker }) => worker))).toEqual(new Set(['w1', 'w2', 'w3', 'w4']));
  expect(strangers).toEqual([]);
  // Repeats come of deaths only: at most what was not saved then.
  expect(recorder.rows.length).toBeLessThan(recorder.first.length * 1.2);
});

test('lag is measured over all parts, and said once when it stays and once when it is over', async () => {
  const { clock, store, recorder } = world();
  await store.commit([create('c1', clock.now()), ...Array.from({ length: 300 }, (_, i) => send('c1', `m${i}`, clock.now()))]);
  let away = true;
  const consumer = recorder.consumer('w1');
  const handle: typeof consumer.handle = async (rows) => {
    if (away) throw new Error('the bus is away');
    await consumer.handle(rows);
  };
  const { relay, gauges, said } = await startRelay({
    feed: parted(store, 4),
    clock,
    consumers: [{ ...consumer, handle }],
    limits: { alertRows: 100 },
  });
  const saidOf = (text: string) => said.filter((line) => line.includes(text));
  await clock.advance(RELAY_LIMITS.lagEveryMs);
  expect(gauges.lags.get('bus')).toEqual({ rows: 301, seconds: 5 });
  expect(saidOf('far behind')).toEqual([]);
  await clock.advance(RELAY_LIMITS.lagEveryMs * 20);
  expect(saidOf('far behind')).toHaveLength(1);
  away = false;
  await clock.advance(RELAY_LIMITS.retryMaxMs + RELAY_LIMITS.lagEveryMs);
  expect(gauges.lags.get('bus')).toEqual({ rows: 0, seconds: 0 });
  expect(saidOf('caught up')).toHaveLength(1);
  await clock.advance(RELAY_LIMITS.lagEveryMs * 5);
  expect(said.filter((line) => /far behind|caught up/.test(line))).toHaveLength(2);
  await relay.close();
});
