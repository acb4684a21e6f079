import { openMemoryStore } from '@gapless/adapters/store/memory';
import type { LogFeed, Store } from '@gapless/core';
import { FakeClock, settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { RELAY_LIMITS } from './limits.ts';
import { create, MortalFeed, parted, Recorder, send, startRelay } from './relay.test-util.ts';

// Goal: every row reaches the consumer, in order, whatever fails. Method: relays over the memory store on a clock that the test moves.

function world() {
  const clock = new FakeClock(1_000);
  const store = openMemoryStore({ clock });
  return { clock, store, recorder: new Recorder() };
}

async function fill(store: Store, cids: readonly string[], count: number, prefix = 'm'): Promise<void> {
  for (const cid of cids) if ((await store.conversation(cid)) === undefined) await store.commit([create(cid)]);
  for (let i = 0; i < count; i++) await store.commit(cids.map((cid) => send(cid, `${prefix}${i}`)));
}

const cidsOf = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);

test('all rows come in order, in batches of the consumer’s size; the next relay goes on behind them', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1', 'c2'], 60);
  const sizes: number[] = [];
  const counting = recorder.consumer('w1');
  const consumer = {
    ...counting,
    handle(rows: Parameters<typeof counting.handle>[0]) {
      sizes.push(rows.length);
      return counting.handle(rows);
    },
  };
  const first = await startRelay({ feed: store, clock, consumers: [consumer] });
  await clock.advance(100);
  expect(recorder.rows.map(({ row }) => row)).toEqual(await store.feed(0, { after: 0, limit: 1_000 }));
  expect(sizes).toEqual([...Array(12).fill(10), 2]);
  expect(first.gauges.rows.get('bus')).toBe(122);
  await first.relay.close();
  await first.relay.close();

  await fill(store, ['c1', 'c2'], 5, 'n');
  const second = await startRelay({ feed: store, clock, consumers: [recorder.consumer('w2')], holder: 'w2' });
  await clock.advance(100);
  await second.relay.close();
  expect(recorder.rows).toHaveLength(132);
  await recorder.expectAll(store, ['c1', 'c2']);
});

test('a nudge brings what was committed at once, without it a poll does', async () => {
  const { clock, store, recorder } = world();
  const { relay } = await startRelay({ feed: store, clock, consumers: [recorder.consumer('w1')] });
  await clock.advance(60_000);
  await fill(store, ['c1'], 1);
  relay.nudge();
  await settled();
  expect(recorder.revs('c1')).toEqual([0, 1]);
  await clock.advance(60_000);
  await fill(store, ['c1'], 1, 'n');
  await clock.advance(RELAY_LIMITS.pollMaxMs);
  expect(recorder.revs('c1')).toEqual([0, 1, 2]);
  await relay.close();
});

test('a nudge during a read is not lost', async () => {
  const { clock, store, recorder } = world();
  let read: () => void = () => {};
  const slow: LogFeed = {
    ...store,
    async feed(...args) {
      const rows = await store.feed(...args);
      await new Promise<void>((resolve) => (read = resolve));
      return rows;
    },
  };
  const { relay } = await startRelay({ feed: slow, clock, consumers: [recorder.consumer('w1')] });
  await settled();
  await fill(store, ['c1'], 0);
  relay.nudge();
  read();
  await settled();
  read();
  await settled();
  expect(recorder.revs('c1')).toEqual([0]);
  const closed = relay.close();
  read();
  await settled();
  read();
  await closed;
});

test('a batch that fails is tried again until it goes through: nothing is skipped, and other consumers go on', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1'], 24);
  const attempts: number[][] = [];
  const failing = recorder.consumer('w1');
  const consumer = {
    ...failing,
    async handle(rows: Parameters<typeof failing.handle>[0]) {
      attempts.push(rows.map(({ id }) => id));
      if (attempts.length > 1 && attempts.length < 8) throw new Error('the bus is away');
      await failing.handle(rows);
    },
  };
  const other = new Recorder();
  const { relay, gauges, said } = await startRelay({ feed: store, clock, consumers: [consumer, other.consumer('w1', { name: 'push' })] });
  await settled();
  expect(other.revs('c1')).toHaveLength(25);
  await clock.advance(RELAY_LIMITS.retryMaxMs * 7);
  expect(recorder.rows.map(({ row }) => row.id)).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
  expect(new Set(attempts.slice(1, 8).map((ids) => ids[0]))).toEqual(new Set([11]));
  expect(gauges.failures.get('bus')).toBe(6);
  expect(said.filter((line) => line.includes('batch failed'))).toHaveLength(1);
  expect(said.filter((line) => line.includes('takes the log again'))).toHaveLength(1);
  await relay.close();
});

test('closing ends the batch under way, saves and releases; no other is begun', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1'], 24);
  let finish: () => void = () => {};
  const held = recorder.consumer('w1');
  const consumer = {
    ...held,
    handle: async (rows: Parameters<typeof held.handle>[0]) => {
      await new Promise<void>((resolve) => (finish = resolve));
      await held.handle(rows);
    },
  };
  const { relay } = await startRelay({ feed: store, clock, consumers: [consumer] });
  await settled();
  let closed = false;
  const closing = relay.close().then(() => (closed = true));
  await settled();
  expect(closed).toBe(false);
  finish();
  await closing;
  expect(recorder.rows).toHaveLength(10);
  expect(await store.cursor('bus', 0)).toBe(10);
  expect(await store.acquireLease('relay/bus/0', 'w2', 1)).toBe(true);
});

test('closing does not wait for a consumer that fails', async () => {
  const { clock, store } = world();
  await fill(store, ['c1'], 1);
  const handle = () => Promise.reject(new Error('the bus is away'));
  const { relay } = await startRelay({ feed: store, clock, consumers: [{ name: 'bus', batchMax: 10, handle }] });
  await settled();
  await relay.close();
  expect(await store.cursor('bus', 0)).toBe(0);
  expect(await store.acquireLease('relay/bus/0', 'w2', 1)).toBe(true);
});

test('a store that cannot be read or written for a while delays, and loses nothing', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1'], 30);
  let away = false;
  const guard =
    <A extends unknown[], R>(method: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (away) throw new Error('store_unavailable');
      return method(...args);
    };
  const feed: LogFeed = {
    parts: 1,
    feed: guard(store.feed),
    backlog: guard(store.backlog),
    cursor: guard(store.cursor),
    saveCursor: guard(store.saveCursor),
    acquireLease: guard(store.acquireLease),
    releaseLease: guard(store.releaseLease),
  };
  const inner = recorder.consumer('w1');
  const handle: typeof inner.handle = (rows) => {
    away = recorder.rows.length === 10;
    return inner.handle(rows);
  };
  const { relay } = await startRelay({ feed, clock, consumers: [{ ...inner, handle }] });
  await clock.advance(1_000);
  expect(recorder.rows).toHaveLength(20);
  // Longer than the lease: meanwhile the part may be another's, and no batch may be begun.
  await fill(store, ['c1'], 30, 'n');
  await clock.advance(RELAY_LIMITS.leaseTtlMs * 2);
  expect(recorder.rows).toHaveLength(20);
  away = false;
  await clock.advance(RELAY_LIMITS.retryMaxMs + 1_000);
  await relay.close();
  await recorder.expectAll(store, ['c1']);
  expect(await store.cursor('bus', 0)).toBe(61);
});

test('a worker that died in the middle: its part is another’s within the lease and a second, and goes on where the cursor is', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1'], 25);
  const mortal = new MortalFeed(store);
  await startRelay({ feed: mortal.feed, clock, consumers: [recorder.consumer('w1')] });
  await clock.advance(RELAY_LIMITS.saveEveryMs + 100);
  const heir = await startRelay({ feed: store, clock, consumers: [recorder.consumer('w2')], holder: 'w2' });
  await fill(store, ['c1'], 3, 'n');
  await clock.advance(RELAY_LIMITS.leaseTtlMs * 3);
  expect(recorder.revs('c1', 'w2')).toEqual([]);
  expect(recorder.revs('c1', 'w1')).toHaveLength(29);

  mortal.die();
  await fill(store, ['c1'], 3, 'o');
  await clock.advance(RELAY_LIMITS.leaseTtlMs + RELAY_LIMITS.takeEveryMs);
  expect(recorder.revs('c1', 'w2')).toEqual([29, 30, 31]);
  await heir.relay.close();
});

test('a worker that died between the handing over and the saving: the rows come again, none is missing', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1'], 25);
  const mortal = new MortalFeed(store);
  mortal.dieOn('saveCursor');
  await startRelay({ feed: mortal.feed, clock, consumers: [recorder.consumer('w1')] });
  await clock.advance(RELAY_LIMITS.saveEveryMs + RELAY_LIMITS.pollMaxMs);
  expect(mortal.dead).toBe(true);
  expect(recorder.revs('c1', 'w1')).toHaveLength(26);
  const heir = await startRelay({ feed: store, clock, consumers: [recorder.consumer('w2')], holder: 'w2' });
  await clock.advance(RELAY_LIMITS.leaseTtlMs + RELAY_LIMITS.takeEveryMs);
  expect(recorder.revs('c1', 'w2')).toEqual(Array.from({ length: 26 }, (_, i) => i));
  await recorder.expectAll(store, ['c1']);
  await heir.relay.close();
});

test('who loses the lease during a long batch begins no other and saves nothing', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1'], 25);
  let finish: () => void = () => {};
  const slow = recorder.consumer('w1');
  const consumer = {
    ...slow,
    handle: async (rows: Parameters<typeof slow.handle>[0]) => {
      await new Promise<void>((resolve) => (finish = resolve));
      await slow.handle(rows);
    },
  };
  // Its renewals do not get through.
  let renewals = 0;
  const feed: LogFeed = {
    ...store,
    acquireLease: async (...args) => (renewals++ === 0 ? store.acquireLease(...args) : new Promise(() => {})),
  };
  await startRelay({ feed, clock, consumers: [consumer] });
  await settled();
  await clock.advance(RELAY_LIMITS.leaseTtlMs);
  const heir = await startRelay({ feed: store, clock, consumers: [recorder.consumer('w2')], holder: 'w2' });
  await settled();
  expect(recorder.revs('c1', 'w2')).toHaveLength(26);
  finish();
  await clock.advance(5_000);
  expect(recorder.revs('c1', 'w1')).toHaveLength(10);
  await heir.relay.close();
  expect(await store.cursor('bus', 0)).toBe(26);
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
