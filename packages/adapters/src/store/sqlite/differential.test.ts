import type { Store } from '@gapless/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openMemoryStore } from '../memory/index.ts';
import { acceptingOf, atHead, CIDS, EPOCH, renamed, script, UIDS } from './commands.test-util.ts';
import { openSqliteStore } from './index.ts';
import { neverFatal, tempDatabases } from './temp.test-util.ts';

// Goal: both stores are one model. Method: random batches go to both; every outcome and, at the end, every read must be equal. One database
// serves all runs: each has its own users and conversations. A failure prints its seed, and SEED=… runs that one again.

const RUNS = Number(process.env.RUNS ?? 300);
const newPath = tempDatabases();
const lastId = new WeakMap<Store, number>();

test(`${RUNS} random scripts have equal outcomes and leave equal stores`, async () => {
  const sqlite = await openSqliteStore({ path: newPath(), onFatal: neverFatal });
  await sqlite.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: EPOCH, state: 'open' });
  let run = 0;
  const property = fc.asyncProperty(script, async (batches) => {
    const prefix = `r${run++}-`;
    const memory = openMemoryStore();
    await memory.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: EPOCH, state: 'open' });
    for (const store of [memory, sqlite]) await store.ensureUser({ uid: `${prefix}ann`, displayName: 'Ann Lee', at: 1 });
    for (const batch of batches) {
      const commands = await atHead(memory, renamed(batch, prefix));
      expect(await sqlite.commit(commands)).toEqual(await memory.commit(commands));
    }
    expect(await everything(sqlite, prefix)).toEqual(await everything(memory, prefix));
  });
  const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
  await fc.assert(property, { numRuns: RUNS, ...seed }).finally(() => sqlite.close());
});

/** Its rows in the feed; their ids are the database's. */
async function feedOf(store: Store, prefix: string): Promise<unknown> {
  const rows = await store.feed(0, { after: lastId.get(store) ?? 0, limit: 10_000 });
  lastId.set(store, rows.at(-1)?.id ?? 0);
  expect(rows.every(({ entry }) => entry.cid.startsWith(prefix))).toBe(true);
  return rows.map(({ entry, at }) => ({ entry, at }));
}

async function everything(store: Store, prefix: string): Promise<unknown> {
  const [uids, cids] = [UIDS.map((uid) => prefix + uid), CIDS.map((cid) => prefix + cid)];
  return {
    users: await store.users(uids),
    revs: await store.revs(cids),
    accepting: await acceptingOf(store, prefix),
    feed: await feedOf(store, prefix),
    heads: await Promise.all(uids.map((uid) => store.heads(uid, cids))),
    lists: await Promise.all(uids.map((uid) => store.conversationsOf(uid, { limit: 100 }))),
    pages: await Promise.all(uids.map((uid) => store.conversationsOf(uid, { before: { updatedAt: 1_003, cid: cids[1]! }, limit: 2 }))),
    acquainted: await Promise.all(uids.map((uid) => store.acquainted(uid, uids))),
    conversations: await Promise.all(
      cids.map(async (cid) => ({
        record: await store.conversation(cid),
        participants: await store.participants(cid),
        positions: await store.positions(cid),
        views: await Promise.all(uids.map((uid) => store.conversationView(uid, cid))),
        changes: await store.changes(cid, { after: 0, limit: 1_000 }),
        someChanges: await store.changes(cid, { after: 2, limit: 3 }),
        messages: await store.messages(cid, { after: 0, limit: 1_000 }),
        after: await store.messages(cid, { after: 2, limit: 2 }),
        before: await store.messages(cid, { before: 4, limit: 2 }),
        newest: await store.messages(cid, { limit: 2 }),
      })),
    ),
  };
}
