import { type AcceptLog, AcceptLogAway } from '@gapless/core';
import { acceptAll, ask, begun, everyEntry, nothingIn, openAll, opening, openOne, seqsOf, ulidOf } from '@gapless/testkit/contract';
import { expect, type TestContext, test } from 'vitest';
import { follow, startOrSkip, startStory, tell } from './faults.test-util.ts';

// Goal: whatever happens to what Redis holds, nothing is accepted under the old epoch afterwards, by whoever asks. Method: real servers are
// emptied, restarted, set back and failed over, each in the middle of an epoch with a conversation that has three messages.

const DURABLE = { appendonly: 'yes', appendfsync: 'always' };

async function startThree(ctx: TestContext, settings: Record<string, string> = {}) {
  const story = await startStory(ctx, { settings });
  await begun(story.log, 'c1');
  expect(await acceptAll(story.log, 'c1', [1, 2, 3])).toEqual([1, 2, 3]);
  return story;
}

async function isOver(log: AcceptLog): Promise<void> {
  expect(await log.epoch()).toBeUndefined();
  await nothingIn(log, 1);
}

/** Seqs of c1 that the log still has. */
async function leftSeqs(log: AcceptLog): Promise<number[]> {
  return (await everyEntry(log)).flatMap(({ entries }) => seqsOf(entries));
}

async function nextEpochWorks(log: AcceptLog): Promise<void> {
  await log.begin(2);
  expect(await log.epoch()).toBe(2);
  await log.admit(2, 'n1');
  await openOne(log, opening('c1', { head: 9 }), 2);
  expect(await log.accept(2, [ask('c1', ulidOf(1))])).toMatchObject([{ ok: true, seq: 10 }]);
}

test('emptied: the epoch is over at once, also for who reads', async (ctx) => {
  const { log, redis } = await startThree(ctx);
  const read = () => log.read(1, 'save', { shards: [0, 1], node: 'n1', count: 9, blockMs: 60_000 });
  expect((await read()).map(({ entries }) => entries.length)).toEqual([3]);
  const reading = read();
  while (!String(await tell(redis, 'INFO', 'clients')).includes('blocked_clients:1')) await new Promise((resolve) => setImmediate(resolve));
  await tell(redis, 'FLUSHALL');
  await isOver(log);
  await log.accept(1, [ask('c1', ulidOf(4))]);
  // A Redis before 7.2 leaves a reader of a deleted stream waiting, and tells it when there is a stream again.
  await nextEpochWorks(log);
  const ended = log.end();
  expect(await reading.catch((error) => error instanceof AcceptLogAway)).toSatisfy(
    (end) => end === true || (end as unknown[]).length === 0,
  );
  await ended;
});

test('restarted, with nothing on disk: another run, and empty', async (ctx) => {
  const { log, redis, restored } = await startThree(ctx);
  const again = restored();
  await redis.kill();
  await expect(log.accept(1, [ask('c1', ulidOf(4))])).rejects.toThrow(AcceptLogAway);
  await redis.start();
  await again;
  await isOver(log);
  expect([await log.leftovers(2), await log.shardsOf(1)]).toEqual([[], 0]);
  await nextEpochWorks(log);
});

test('restarted, with everything on disk: what was accepted is there, and the epoch is over all the same', async (ctx) => {
  const { log, redis, restored } = await startThree(ctx, DURABLE);
  const again = restored();
  await redis.kill();
  await redis.start();
  await again;
  await isOver(log);
  expect(await leftSeqs(log)).toEqual([1, 2, 3]);
  await expect(log.begin(1)).rejects.toThrow('was begun here before');
  await nextEpochWorks(log);
  expect(await log.leftovers(2)).toEqual([1]);
  await log.drop(1);
  expect(await log.leftovers(2)).toEqual([]);
  expect((await log.entries(2, 0, { after: '', limit: 9 })).length + (await log.entries(2, 1, { after: '', limit: 9 })).length).toBe(1);
});

test('restarted after an epoch was begun that nobody had used: it can be begun again, and nodes are admitted anew', async (ctx) => {
  const { log, redis, restored } = await startStory(ctx, { settings: DURABLE });
  await log.begin(1);
  await log.admit(1, 'n1');
  const again = restored();
  await redis.kill();
  await redis.start();
  await again;
  expect(await log.epoch()).toBeUndefined();
  await log.begin(1);
  expect(await log.epoch()).toBe(1);
  await openAll(log, opening('c1'));
  expect(await log.accept(1, [ask('c1', ulidOf(1))])).toEqual([{ ok: false, code: 'over' }]);
  await log.admit(1, 'n1');
  expect(await acceptAll(log, 'c1', [1])).toEqual([1]);
});

test('set back to an older snapshot: what came after it is gone, and its numbers are not given again', async (ctx) => {
  const { log, redis, restored } = await startThree(ctx);
  await tell(redis, 'SAVE');
  expect(await acceptAll(log, 'c1', [4, 5])).toEqual([4, 5]);
  const again = restored();
  await redis.kill();
  await redis.start();
  await again;
  await isOver(log);
  expect(await leftSeqs(log)).toEqual([1, 2, 3]);
  expect(await log.accept(1, [ask('c1', ulidOf(6), { looked: true })])).toEqual([{ ok: false, code: 'over' }]);
});

test('failed over to a replica that lagged: it accepts nothing, before it is the primary and after', async (ctx) => {
  const { log, redis, restored, cut, mend, lead, errors } = await startThree(ctx);
  const replica = await startOrSkip(ctx);
  await follow(replica, redis);
  await tell(replica, 'REPLICAOF', '127.0.0.1', '1');
  expect(await acceptAll(log, 'c1', [4, 5])).toEqual([4, 5]);
  const again = restored();
  cut();
  lead(replica);
  mend();
  while (!errors.some((error) => String(error).includes('closed'))) await new Promise((resolve) => setImmediate(resolve));
  await expect(log.accept(1, [ask('c1', ulidOf(6))])).rejects.toThrow(AcceptLogAway);
  await tell(replica, 'REPLICAOF', 'NO', 'ONE');
  await again;
  await isOver(log);
  expect(await leftSeqs(log)).toEqual([1, 2, 3]);
  await nextEpochWorks(log);
});

test('the same process, after it was the replica of one that lagged: its run_id is the same, and the epoch is over', async (ctx) => {
  const { log, redis } = await startThree(ctx);
  const replica = await startOrSkip(ctx);
  await follow(replica, redis);
  await tell(replica, 'REPLICAOF', 'NO', 'ONE');
  expect(await acceptAll(log, 'c1', [4, 5])).toEqual([4, 5]);
  await follow(redis, replica);
  await tell(redis, 'REPLICAOF', 'NO', 'ONE');
  expect(await leftSeqs(log)).toEqual([1, 2, 3]);
  await isOver(log);
});

test('the primary that became a replica is away', async (ctx) => {
  const { log, redis } = await startThree(ctx);
  const other = await startOrSkip(ctx);
  await follow(redis, other);
  await expect(log.epoch()).rejects.toThrow(AcceptLogAway);
  await expect(log.accept(1, [ask('c1', ulidOf(4))])).rejects.toThrow(AcceptLogAway);
});
