import type { LogFeed } from '@gapless/core';
import { settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { RELAY_LIMITS } from './limits.ts';
import { fill, MortalFeed, startRelay, world } from './relay.test-util.ts';

// Goal: nothing is lost and nothing runs ahead when workers die, stand still or lose their leases, or the store is away. Method: feeds that hang,
// refuse or die at a chosen moment, on a clock that the test moves.

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

test('who stood still between reading and handing over, longer than its lease, hands nothing over', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1'], 5);
  let goOn: () => void = () => {};
  let still = true;
  const feed: LogFeed = {
    ...store,
    async feed(...args) {
      const rows = await store.feed(...args);
      await new Promise<void>((resolve) => (goOn = resolve));
      return rows;
    },
    acquireLease: async (name, ...args) => {
      if (still && clock.now() > 1_000) throw new Error('nothing gets through');
      return store.acquireLease(name, ...args);
    },
  };
  await startRelay({ feed, clock, consumers: [recorder.consumer('w1')] });
  await clock.advance(RELAY_LIMITS.leaseTtlMs);
  goOn();
  await settled();
  expect(recorder.rows).toEqual([]);
  const heir = await startRelay({ feed: store, clock, consumers: [recorder.consumer('w2')], holder: 'w2' });
  still = false;
  await clock.advance(RELAY_LIMITS.retryMaxMs);
  goOn();
  await clock.advance(RELAY_LIMITS.retryMaxMs);
  expect(recorder.revs('c1', 'w1')).toEqual([]);
  expect(recorder.revs('c1', 'w2')).toEqual([0, 1, 2, 3, 4, 5]);
  await heir.relay.close();
});

test('who hears during a read that the lease is another’s hands nothing over', async () => {
  const { clock, store, recorder } = world();
  await fill(store, ['c1'], 5);
  let goOn: () => void = () => {};
  const feed: LogFeed = {
    ...store,
    async feed(...args) {
      const rows = await store.feed(...args);
      await new Promise<void>((resolve) => (goOn = resolve));
      return rows;
    },
  };
  const { said } = await startRelay({ feed, clock, consumers: [recorder.consumer('w1')] });
  await store.releaseLease('relay/bus/0', 'w1');
  await store.acquireLease('relay/bus/0', 'w2', RELAY_LIMITS.leaseTtlMs);
  await clock.advance(RELAY_LIMITS.leaseTtlMs / 3);
  goOn();
  await settled();
  expect(recorder.rows).toEqual([]);
  expect(said).toEqual(['warn: relay: the part is no longer this worker’s']);
});
