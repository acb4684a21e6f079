import type { Store } from '@gapless/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openMemoryStore } from '../memory/index.ts';
import { acceptingOf, atHead, CIDS, EPOCH, renamed, script, UIDS } from '../sqlite/commands.test-util.ts';
import { openNode, serverOf } from './server.test-util.ts';

// Goal: Postgres and memory are one model. Method: random batches go to both; every outcome and, at the end, every read must be equal. Two
// nodes take turns, so that nothing rests on what one of them remembers. Each run has its own users and conversations in one database. A
// failure prints its seed, and SEED=… runs that one again.

const RUNS = Number(process.env.RUNS ?? 150);
const server = await serverOf();

test(`${RUNS} random scripts have equal outcomes and leave equal stores`, async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const url = await server.createDatabase();
  const nodes = [await openNode(url), await openNode(url)];
  await nodes[0]!.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: EPOCH, state: 'open' });
  let run = 0;
  const property = fc.asyncProperty(script, async (batches) => {
    const prefix = `r${run++}-`;
    const memory = openMemoryStore();
    await memory.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: EPOCH, state: 'open' });
    for (const store of [memory, nodes[0]!]) await store.ensureUser({ uid: `${prefix}ann`, displayName: 'Ann Lee', at: 1 });
    for (const [i, batch] of batches.entries()) {
      const commands = await atHead(memory, renamed(batch, prefix));
      expect(await nodes[i % 2]!.commit(commands)).toEqual(await memory.commit(commands));
    }
    expect(await everything(nodes[1]!, prefix)).toEqual(await everything(memory, prefix));
  });
  const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
  await fc.assert(property, { numRuns: RUNS, ...seed }).finally(() => Promise.all(nodes.map((node) => node.close())));
});

async function everything(store: Store, prefix: string): Promise<unknown> {
  const [uids, cids] = [UIDS.map((uid) => prefix + uid), CIDS.map((cid) => prefix + cid)];
  return {
    users: await store.users(uids),
    revs: await store.revs(cids),
    accepting: await acceptingOf(store, prefix),
    heads: await Promise.all(uids.map((uid) => store.heads(uid, cids))),
    lists: await Promise.all(uids.map((uid) => store.conversationsOf(uid, { limit: 100 }))),
    pages: await Promise.all(uids.map((uid) => store.conversationsOf(uid, { before: { updatedAt: 1_003, cid: cids[1]! }, limit: 2 }))),
    acquainted: await Promise.all(uids.map(async (uid) => (await store.acquainted(uid, uids)).toSorted())),
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
