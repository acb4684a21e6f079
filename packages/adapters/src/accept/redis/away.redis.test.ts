import { AcceptLogAway, type AcceptOutcome } from '@gapless/core';
import { acceptAll, acceptOne, ask, begun, everyEntry, openAll, opening, saveAll, seqsOf, ulidOf } from '@gapless/testkit/contract';
import { expect, type TestContext, test } from 'vitest';
import { startOrSkip, startStory, tell } from './faults.test-util.ts';
import { openRedisAcceptLog, UnfitRedis } from './index.ts';

// Goal: a Redis that cannot be reached, hangs, or refuses to write is away, and the epoch goes on where it was when it is back. Method: real
// servers, and a wire that is cut.

async function startOpen(ctx: TestContext, settings: Record<string, string> = {}) {
  const story = await startStory(ctx, { settings });
  await begun(story.log, 'c1');
  return story;
}

test('a Redis that hangs: calls reject in time, and what was asked is done at most once', async (ctx) => {
  const { log, redis, restored } = await startOpen(ctx);
  const again = restored();
  redis.pause();
  const asked = [1, 2, 3].map((n) => acceptOne(log, ask('c1', ulidOf(n))).catch((error: unknown) => error));
  for (const error of await Promise.all(asked)) expect(error).toBeInstanceOf(AcceptLogAway);
  await expect(log.epoch()).rejects.toThrow(AcceptLogAway);
  redis.resume();
  await again;
  expect(await log.epoch()).toBe(1);
  const seqs = [];
  for (const n of [1, 2, 3, 4]) seqs.push((await acceptOne(log, ask('c1', ulidOf(n)))) as AcceptOutcome & { ok: true });
  expect(seqs.map(({ seq }) => seq).toSorted()).toEqual([1, 2, 3, 4]);
});

test('connections that are cut again and again under way: each message is accepted once, no number is missing', async (ctx) => {
  const { log, restored, cut, mend } = await startOpen(ctx);
  let away = 0;
  for (let round = 0; round < 30; round++) {
    const requests = Array.from({ length: 40 }, (_, i) => ask('c1', ulidOf(40 * round + i + 1)));
    const calls = requests.map((request) => acceptOne(log, request).catch((error: unknown) => error));
    // A bit later every time: before it is written, while it is, while the answers come.
    for (let turn = 0; turn < round / 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    const again = restored();
    cut();
    mend();
    const ends = await Promise.all(calls);
    away += ends.filter((end) => end instanceof AcceptLogAway).length;
    await again;
    for (const [i, end] of ends.entries()) {
      const outcome = await acceptOne(log, requests[i]!);
      if (end instanceof AcceptLogAway) expect(outcome).toMatchObject({ ok: true });
      else expect(outcome).toEqual({ ...(end as AcceptOutcome), dup: true });
    }
  }
  expect(away).toBeGreaterThan(0);
  const entries = (await everyEntry(log)).flatMap((shard) => shard.entries);
  expect(seqsOf(entries)).toEqual(Array.from({ length: 1_200 }, (_, i) => i + 1));
  expect(new Set(entries.map(({ accepted }) => accepted.send.mid)).size).toBe(1_200);
});

test('a reader hears of the cut as well, and reads on afterwards', async (ctx) => {
  const { log, restored, cut, mend } = await startOpen(ctx);
  const read = (blockMs: number) => log.read(1, 'save', { shards: [0, 1], node: 'n1', count: 9, blockMs });
  await read(1);
  const reading = read(600_000).catch((error: unknown) => error);
  const again = restored();
  cut();
  expect(await reading).toBeInstanceOf(AcceptLogAway);
  await expect(read(1)).rejects.toThrow(AcceptLogAway);
  mend();
  await again;
  await acceptAll(log, 'c1', [1]);
  expect((await read(1)).map(({ entries }) => seqsOf(entries))).toEqual([[1]]);
});

test('its scripts are gone: one call fails, then all is as it was', async (ctx) => {
  const { log, redis, restored } = await startOpen(ctx);
  const again = restored();
  await tell(redis, 'SCRIPT', 'FLUSH');
  await expect(log.accept(1, [ask('c1', ulidOf(1))])).rejects.toThrow(AcceptLogAway);
  await again;
  expect(await acceptAll(log, 'c1', [1])).toEqual([1]);
});

test('a full Redis takes nothing more, but what is saved makes room', async (ctx) => {
  const { log, redis } = await startOpen(ctx);
  await openAll(log, opening('c2'));
  const body = JSON.stringify({ text: 'x'.repeat(40_000) });
  const fill = async (n: number) => acceptOne(log, ask('c1', ulidOf(n), { body }));
  await fill(1);
  const used = Number(/used_memory:(\d+)/.exec(String(await tell(redis, 'INFO', 'memory')))![1]);
  const bound = async (bytes: number) => tell(redis, 'CONFIG', 'SET', 'maxmemory', `${used + bytes}`);
  await bound(2_000_000);
  let last = 1;
  let outcome = await fill(2);
  while (outcome.ok) {
    last = outcome.seq;
    outcome = await fill(last + 1);
  }
  expect(outcome).toEqual({ ok: false, code: 'busy' });
  // Redis counts the buffers of its clients, and gives some back by itself: without this, a small message may find room.
  await bound(1_500_000);
  expect(await log.accept(1, [ask('c1', ulidOf(1), { body }), ask('c2', ulidOf(1))])).toContainEqual({ ok: false, code: 'busy' });
  expect(await log.epoch()).toBe(1);
  const held = await log.hold(1, 'c2');
  expect(held).toMatchObject({ head: 0 });
  await log.close(1, 'c2', { opening: held!.opening, holdMs: 60_000 });
  await log.admit(1, 'n2');
  await log.bar(1, 'n2');
  expect(await log.lock(1, 'save', { shards: [0], most: 1, node: 'n1', ttlMs: 60_000 })).toEqual([0]);
  const read = await log.read(1, 'save', { shards: [0, 1], node: 'n1', count: 10_000, blockMs: 1 });
  expect(read.flatMap(({ entries }) => seqsOf(entries))).toEqual(Array.from({ length: last }, (_, i) => i + 1));
  await saveAll(log);
  await log.check();
  expect(await fill(last + 1)).toMatchObject({ ok: true, seq: last + 1 });
});

test('a Redis that refuses every write is away, until it takes them again', async (ctx) => {
  const { log, redis } = await startOpen(ctx);
  await acceptAll(log, 'c1', [1]);
  await tell(redis, 'CONFIG', 'SET', 'min-replicas-to-write', '1');
  for (const call of [() => log.epoch(), () => log.check(), () => log.accept(1, [ask('c1', ulidOf(2))])])
    await expect(call()).rejects.toThrow(AcceptLogAway);
  await tell(redis, 'CONFIG', 'SET', 'min-replicas-to-write', '0');
  expect(await log.epoch()).toBe(1);
  expect(await acceptAll(log, 'c1', [2])).toEqual([2]);
});

test('opens while Redis is away, and tells so once; it is there when Redis is', async (ctx) => {
  const redis = await startOrSkip(ctx);
  await redis.stop();
  const errors: unknown[] = [];
  const log = await openRedisAcceptLog({ url: redis.url, onError: (error) => errors.push(error) });
  const again = new Promise<void>((resolve) => void log.watch(resolve));
  await expect(log.epoch()).rejects.toThrow(AcceptLogAway);
  await expect(log.check()).rejects.toThrow(AcceptLogAway);
  await redis.start();
  await again;
  await begun(log, 'c1');
  expect(await acceptAll(log, 'c1', [1])).toEqual([1]);
  expect(errors).toHaveLength(1);
  await log.end();
  await expect(log.epoch()).rejects.toThrow(AcceptLogAway);
});

test.for([
  ['Redis Cluster cannot be used', { 'cluster-enabled': 'yes' }],
  ['with maxmemory-policy allkeys-lru Redis would throw away accepted messages', { 'maxmemory-policy': 'allkeys-lru' }],
] as const)('does not open: %s', async ([why, settings], ctx) => {
  const redis = await startOrSkip(ctx, { settings });
  await expect(openRedisAcceptLog({ url: redis.url })).rejects.toThrow(UnfitRedis);
  await expect(openRedisAcceptLog({ url: redis.url })).rejects.toThrow(why);
});

test('says that the eviction policy is doubtful', async (ctx) => {
  const { errors } = await startStory(ctx, { settings: { 'maxmemory-policy': 'volatile-lru' } });
  expect(errors.map(String)).toEqual(['Error: accept log: maxmemory-policy of Redis is volatile-lru, set it to noeviction']);
});

test('what is saved leaves no memory behind but what it remembers', async (ctx) => {
  const { log, redis } = await startStory(ctx, { log: { memory: { mids: 1_000, ms: 0 }, shards: 2 } });
  await begun(log, 'c1', 'c2');
  for (let n = 0; n < 50_000; n += 1_000) {
    const numbers = Array.from({ length: 1_000 }, (_, i) => n + i + 1);
    const calls = ['c1', 'c2'].map((cid) =>
      log.accept(
        1,
        numbers.map((number) => ask(cid, ulidOf(number))),
      ),
    );
    expect((await Promise.all(calls)).flat().every((outcome) => outcome.ok && !outcome.dup)).toBe(true);
    await saveAll(log, 100_000);
  }
  for (const shard of ['0', '1']) {
    const stream = `gapless:stream:accepted:{1}:${shard}`;
    expect(await tell(redis, 'XLEN', stream)).toBe(0);
    expect(await tell(redis, 'MEMORY', 'USAGE', stream)).toBeLessThan(10_000);
  }
  for (const cid of ['c1', 'c2']) {
    expect(await tell(redis, 'EXISTS', `gapless:stream:accepted:{1}:p:${cid}`)).toBe(0);
    for (const generation of ['m0', 'm1'])
      expect(await tell(redis, 'HLEN', `gapless:stream:accepted:{1}:${generation}:${cid}`)).toBeLessThanOrEqual(1_000);
  }
  await log.drop(1);
  expect(await tell(redis, 'KEYS', '*')).toEqual([]);
});
