import type { LogFeed } from '@gapless/core';
import { settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { RELAY_LIMITS } from './limits.ts';
import { fill, Recorder, startRelay, world } from './relay.test-util.ts';

// Goal: every row reaches the consumer, in order, whatever fails. Method: relays over the memory store on a clock that the test moves.

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

test('nudges are no reason to try a failed batch earlier', async () => {
  const { clock, store } = world();
  await fill(store, ['c1'], 1);
  let attempts = 0;
  const handle = async () => {
    attempts++;
    throw new Error('the bus is away');
  };
  const limits = { retryBaseMs: 1_000_000, retryMaxMs: 1_000_000 };
  const { relay } = await startRelay({ feed: store, clock, consumers: [{ name: 'bus', batchMax: 10, handle }], limits });
  for (let i = 0; i < 20; i++) {
    relay.nudge();
    await clock.advance(1);
  }
  expect(attempts).toBe(1);
  await relay.close();
});
