import { acceptAll, ask, begun, everyEntry, saveAll, ulidOf } from '@gapless/testkit/contract';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { startOrSkip, tell } from './faults.test-util.ts';
import { openRedisAcceptLog, type RedisAcceptOptions } from './index.ts';

async function open(ctx: TestContext, ...nodes: Partial<RedisAcceptOptions>[]) {
  const redis = await startOrSkip(ctx);
  const logs = await Promise.all(nodes.map((options) => openRedisAcceptLog({ url: redis.url, ...options })));
  onTestFinished(async () => void (await Promise.all(logs.map((log) => log.end()))));
  return { redis, logs };
}

test('shards are those of the epoch, whatever a node was told', async (ctx) => {
  const { logs } = await open(ctx, { shards: 3 }, { shards: 5 });
  const [one, two] = logs;
  expect([await one!.shards(), await two!.shards()]).toEqual([3, 5]);
  await begun(one!, 'c1');
  expect([await two!.shards(), await two!.shardsOf(1)]).toEqual([3, 3]);
  await acceptAll(two!, 'c1', [1]);
  expect(await everyEntry(one!)).toHaveLength(3);
  await two!.begin(2);
  expect([await one!.shards(), await one!.shardsOf(1), await one!.shardsOf(2)]).toEqual([5, 3, 5]);
});

test('logs with other keys know nothing of each other', async (ctx) => {
  const { logs, redis } = await open(ctx, { streamKey: 'k?', deliverGroup: 'd', saveGroup: 's', shards: 1 }, { streamKey: 'ka' });
  const [one, two] = logs;
  await begun(one!, 'c1');
  await acceptAll(one!, 'c1', [1]);
  expect(await two!.epoch()).toBeUndefined();
  await begun(two!, 'c1');
  await acceptAll(two!, 'c1', [1]);
  await one!.begin(2);
  await one!.drop(1);
  expect(await two!.backlog(1)).toMatchObject({ entries: 1 });
  const groups = (await tell(redis, 'XINFO', 'GROUPS', 'k?:{2}:0')) as unknown[][];
  expect(groups.map(([, name]) => name)).toEqual(['d', 's']);
});

test('a mid is remembered for its time, however many came since', async (ctx) => {
  const { logs } = await open(ctx, { memory: { mids: 10, ms: 600_000 } });
  const [log] = logs;
  await begun(log!, 'c1');
  for (let n = 0; n < 10; n++) {
    await acceptAll(
      log!,
      'c1',
      Array.from({ length: 20 }, (_, i) => 20 * n + i + 1),
    );
    await saveAll(log!);
  }
  const again = await log!.accept(
    1,
    Array.from({ length: 200 }, (_, i) => ask('c1', ulidOf(i + 1))),
  );
  expect(again).toEqual(again.map((_, i) => expect.objectContaining({ ok: true, seq: i + 1, dup: true, saved: true })));
});

test('epochs of which nothing is left go with the next one', async (ctx) => {
  const { logs, redis } = await open(ctx, { streamKey: 'k', shards: 1 });
  const [log] = logs;
  await begun(log!, 'c1');
  await log!.begin(2);
  expect(await log!.shardsOf(1)).toBe(0);
  expect(await tell(redis, 'KEYS', 'k:{1}:*')).toEqual([]);
});

test('what is saved is pending for no reader any more', async (ctx) => {
  const { logs, redis } = await open(ctx, { streamKey: 'k', shards: 1 });
  const [log] = logs;
  await begun(log!, 'c1');
  await acceptAll(log!, 'c1', [1, 2]);
  for (const group of ['save', 'deliver'] as const) await log!.read(1, group, { shards: [0], node: 'n1', count: 9, blockMs: 0 });
  await saveAll(log!);
  for (const group of ['save', 'deliver']) expect(await tell(redis, 'XPENDING', 'k:{1}:0', group)).toEqual([0, null, null, null]);
});

test('a clock that was set back: a node is not barred before what it had accepted', async (ctx) => {
  const { logs, redis } = await open(ctx, { streamKey: 'k', shards: 2 });
  const [log] = logs;
  await begun(log!, 'c1');
  const later = Date.now() + 600_000;
  await tell(redis, 'XADD', 'k:{1}:1', `${later}-7`, 's', '1', 'r', '1', 'm', '{}');
  expect(await log!.bar(1, 'n1')).toBe(later);
});

test('the groups need names of their own', async () => {
  await expect(openRedisAcceptLog({ url: 'redis://127.0.0.1:1', deliverGroup: 'g', saveGroup: 'g' })).rejects.toThrow('different names');
});
