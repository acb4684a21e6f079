import type { Command, FeedRow, Store } from '@gapless/core';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { emptiedDatabase, openNode, serverOf } from './server.test-util.ts';

// Goal: no row of the log is ever skipped, whatever order transactions end in. Method: transactions are held open by hand, around what a
// commit does, while others go by.

const server = await serverOf();
const send = (cid: string, mid: string): Command => {
  return { op: 'send', cid, mid, from: 'ann', at: 1, kind: 'text', body: '{}', digest: mid };
};

/** A message as a commit writes it, within a transaction of ours. */
const sendBy = (sql: postgres.Sql, cid: string, mid: string) =>
  sql.unsafe(
    `SELECT commit_messages('{${cid}}', '{1}', '{1}', '{${cid}}', '{${mid}}', '{ann}', '{1}', '{text}', '{{}}'::text[], '{NULL}',
    '{x}', '{0}', '{-1}', '{NULL}', '{}', '{}', '{}', '{}', '{}', '{}')`.replace("'{{}}'::text[]", `ARRAY['{}']`),
  );

interface World {
  node: Store;
  /** Two conversations of one part. */
  cids: readonly [string, string];
  part: number;
  /** Connections that transactions are held open on. */
  hands: readonly [postgres.Sql, postgres.Sql];
  /** What the feed gives behind a place. */
  mids: (after: number) => Promise<string[]>;
}

const database = 'reason' in server ? undefined : emptiedDatabase(server);

async function withWorld(use: (world: World) => Promise<void>): Promise<void> {
  const url = await database!();
  const node = await openNode(url);
  const hands = [postgres(url, { max: 1, onnotice() {} }), postgres(url, { max: 1, onnotice() {} })] as const;
  try {
    const participants = [{ uid: 'ann', role: 'owner' as const }];
    const made = Array.from({ length: 20 }, (_, i) => `c${i}`);
    await node.commit(
      made.map((cid) => ({ op: 'create' as const, cid, kind: 'group', by: 'ann', at: 1, participants, createUsers: true })),
    );
    const places =
      await hands[0]`SELECT cid, replace(tableoid::regclass::text, 'conversation_p', '')::int AS part FROM conversation ORDER BY 2, 1`;
    const second = places.findIndex(({ part }, i) => i > 0 && places[i - 1]!.part === part);
    const part = places[second]!.part as number;
    const mids = async (after: number) => (await node.feed(part, { after, limit: 1_000 })).flatMap(midOf);
    await use({ node, cids: [places[second - 1]!.cid, places[second]!.cid], part, hands, mids });
  } finally {
    for (const hand of hands) await hand.end({ timeout: 1 });
    await node.close();
  }
}

const midOf = ({ entry }: FeedRow) => (entry.op === 'message' ? [entry.message.mid] : []);

function story(title: string, run: (world: World) => Promise<void>): void {
  test(title, async (ctx) => ('reason' in server ? ctx.skip(server.reason) : withWorld(run)));
}

/** Asks until the feed gives them; it must never give anything else. */
async function expectMids({ mids }: World, expected: readonly string[]): Promise<void> {
  for (;;) {
    const given = await mids(0);
    expect(expected.slice(0, given.length)).toEqual(given);
    if (given.length === expected.length) return;
  }
}

story('nothing is given behind a row whose transaction still runs, and afterwards all is', async (world) => {
  const { node, cids, hands, mids } = world;
  await node.commit([send(cids[1], 'before')]);
  await expectMids(world, ['before']);
  await hands[0]`BEGIN`;
  await sendBy(hands[0], cids[0], 'held');
  for (const i of [1, 2, 3]) {
    await node.commit([send(cids[1], `after ${i}`)]);
    expect(await mids(0)).toEqual(['before']);
  }
  await hands[0]`COMMIT`;
  await expectMids(world, ['before', 'held', 'after 1', 'after 2', 'after 3']);
});

story('the same where the transaction that took the later place is the older one', async (world) => {
  const { cids, hands, mids } = world;
  await hands[1]`BEGIN`;
  await hands[1]`SELECT pg_current_xact_id()`;
  await hands[0]`BEGIN`;
  await sendBy(hands[0], cids[0], 'first');
  await sendBy(hands[1], cids[1], 'second');
  await hands[1]`COMMIT`;
  for (let i = 0; i < 5; i++) expect(await mids(0)).toEqual([]);
  await hands[0]`COMMIT`;
  await expectMids(world, ['first', 'second']);
});

story('places of a transaction that was rolled back are passed over', async (world) => {
  const { node, cids, hands, mids } = world;
  await hands[0]`BEGIN`;
  await sendBy(hands[0], cids[0], 'never');
  await node.commit([send(cids[1], 'after')]);
  expect(await mids(0)).toEqual([]);
  await hands[0]`ROLLBACK`;
  await expectMids(world, ['after']);
});

story('a transaction that only reads holds nothing back', async (world) => {
  const { node, cids, hands } = world;
  await hands[0]`BEGIN ISOLATION LEVEL REPEATABLE READ`;
  await hands[0]`SELECT count(*) FROM message`;
  await node.commit([send(cids[0], 'm1')]);
  await expectMids(world, ['m1']);
  await hands[0]`COMMIT`;
});

story('what another node holds back is held back at every part, and given once it is over', async (world) => {
  const { node, cids, part, hands } = world;
  await hands[0]`BEGIN`;
  await sendBy(hands[0], cids[0], 'held');
  const elsewhere = Array.from({ length: 20 }, (_, i) => `c${i}`).filter((cid) => !cids.includes(cid));
  await node.commit(elsewhere.map((cid) => send(cid, cid)));
  const given = async () => {
    const parts = await Promise.all(Array.from({ length: node.parts }, (_, i) => node.feed(i, { after: 0, limit: 100 })));
    return parts.map((rows) => rows.flatMap(midOf));
  };
  expect((await given()).flat()).toEqual([]);
  await hands[0]`COMMIT`;
  let mids = await given();
  while (mids.flat().length < elsewhere.length + 1) mids = await given();
  expect(mids.flat().toSorted()).toEqual(['held', ...elsewhere].toSorted());
  expect(mids[part]).toContain('held');
});
