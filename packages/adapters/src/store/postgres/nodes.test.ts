import type { Command, Outcome, Store } from '@gapless/core';
import { expect, test } from 'vitest';
import { openPostgresStore } from './index.ts';
import { emptiedDatabase, openNode, serverOf } from './server.test-util.ts';

// Goal: several nodes on one database are one store.

const server = await serverOf();
const range = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i);
const create = (cid: string, uids: readonly string[], kind: 'group' | 'dm' = 'group'): Command => {
  const participants = uids.map((uid) => ({ uid, role: 'owner' as const }));
  return { op: 'create', cid, kind, by: uids[0]!, at: 1, participants, createUsers: true };
};
const send = (cid: string, mid: string, from = 'ann'): Command => {
  return { op: 'send', cid, mid, from, at: 1, kind: 'text', body: `{"text":"${mid}"}`, digest: mid };
};

const database = 'reason' in server ? undefined : emptiedDatabase(server);

/** Two nodes on one empty database. */
async function withNodes(use: (a: Store, b: Store) => Promise<void>): Promise<void> {
  const url = await database!();
  const nodes = await Promise.all([openNode(url), openNode(url)]);
  try {
    await use(nodes[0]!, nodes[1]!);
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}

function story(title: string, run: (a: Store, b: Store) => Promise<void>): void {
  test(title, async (ctx) => ('reason' in server ? ctx.skip(server.reason) : withNodes(run)));
}

const seqOf = (outcome: Outcome) => (outcome.ok && outcome.op === 'send' ? outcome.seq : undefined);
const isNew = (outcome: Outcome) => outcome.ok && outcome.op === 'send' && !outcome.dup;

story('nodes that send to the same conversations at once: one dense order, each mid once, whoever sends it again', async (a, b) => {
  const cids = ['c1', 'c2', 'c3'];
  await a.commit(cids.map((cid) => create(cid, ['ann'])));
  const saved = new Map<string, number>();
  let first = 0;
  /** Batches of its own mids and of those that the other node sends too, the conversations in another order each time. */
  const run = async (node: Store, name: string) => {
    for (const round of range(40)) {
      const mids = [...range(1 + (round % 7)).map((i) => `${name} ${round} ${i}`), ...range(5).map((i) => `both ${round} ${i}`)];
      const batch = mids.flatMap((mid, i) => cids.toSorted(() => (i % 2) - 0.5).map((cid) => send(cid, mid)));
      for (const [i, outcome] of (await node.commit(batch)).entries()) {
        const command = batch[i] as Command & { op: 'send' };
        const key = `${command.cid} ${command.mid}`;
        expect(saved.get(key) ?? seqOf(outcome)).toBe(seqOf(outcome));
        saved.set(key, seqOf(outcome)!);
        if (isNew(outcome)) first++;
      }
    }
  };
  await Promise.all([run(a, 'a'), run(b, 'b')]);
  expect(first).toBe(saved.size);
  for (const cid of cids) {
    const messages = await a.messages(cid, { after: 0, limit: 10_000 });
    expect(messages.map(({ seq }) => seq)).toEqual(range(messages.length));
    for (const { seq, mid } of messages) expect(saved.get(`${cid} ${mid}`)).toBe(seq);
    expect((await b.changes(cid, { after: 0, limit: 10_000 })).map(({ rev }) => rev)).toEqual(range(messages.length));
    expect(await b.conversation(cid)).toMatchObject({ head: messages.length, rev: messages.length });
  }
});

story('a dm that both nodes make at once is one', async (a, b) => {
  for (const i of range(30)) {
    const pair = [`ann${i}`, `bob${i}`];
    const outcomes = await Promise.all([a.commit([create(`a${i}`, pair, 'dm')]), b.commit([create(`b${i}`, pair.toReversed(), 'dm')])]);
    const made = outcomes.flat().map((outcome) => (outcome.ok && outcome.op === 'create' ? outcome : undefined));
    expect(made.map((each) => each?.created).toSorted()).toEqual([false, true]);
    expect(made[0]?.cid).toBe(made[1]?.cid);
    expect(await a.conversationsOf(`ann${i}`, { limit: 10 })).toHaveLength(1);
  }
});

story('batches that name the same users and dms in other orders end, all of them', async (a, b) => {
  const pairs = range(12).map((i) => [`u${i}`, `u${(i * 5) % 12}v`]);
  const batch = (name: string, order: string[][]) => order.map((pair) => create(`${name} ${pair[0]}`, pair, 'dm'));
  const outcomes = await Promise.all([a.commit(batch('a', pairs)), b.commit(batch('b', pairs.toReversed()))]);
  expect(outcomes.flat().every(({ ok }) => ok)).toBe(true);
});

story('rights that one node took away end at the other with the commit', async (a, b) => {
  await a.commit([create('c1', ['ann', 'bob'])]);
  const [removed] = await a.commit([{ op: 'remove', cid: 'c1', by: 'ann', at: 1, uid: 'bob', membersRev: 0 }]);
  expect(removed).toMatchObject({ ok: true });
  expect(await b.commit([{ ...send('c1', 'm1', 'bob'), membersRev: 0 } as Command])).toEqual([{ ok: false, code: 'stale' }]);
});

story('changes and sends of two nodes at once leave no hole in the revs', async (a, b) => {
  await a.commit([create('c1', ['ann'])]);
  const changing = async () => {
    for (const i of range(40)) {
      await a.commit([{ op: 'add', cid: 'c1', by: 'ann', at: 1, users: [`u${i}`], role: 'member', createUsers: true }]);
      if (i % 2 === 0) await a.commit([{ op: 'remove', cid: 'c1', by: 'ann', at: 1, uid: `u${i}` }]);
    }
  };
  const sending = async () => {
    for (const i of range(60)) await b.commit([send('c1', `m${i}`), send('c1', `n${i}`, 'u1')]);
  };
  await Promise.all([changing(), sending()]);
  expect((await b.changes('c1', { after: 0, limit: 1_000 })).map(({ rev }) => rev)).toEqual(range(60 + 120));
  expect(await b.conversation('c1')).toMatchObject({ head: 120, rev: 180, participantCount: 21 });
});

story('positions of one user at two nodes are merged by maximum', async (a, b) => {
  await a.commit([create('c1', ['ann', 'bob']), ...range(200).map((i) => send('c1', `m${i}`))]);
  // Each goes through 1 to 199 in an order of its own.
  const read = (node: Store, did: string, step: number) =>
    Promise.all(
      range(199).map((i) => {
        const pos = ((i * step) % 199) + 1;
        return node.commit([
          { op: 'read', cid: 'c1', uid: 'bob', pos },
          { op: 'delivered', cid: 'c1', uid: 'bob', did, pos: pos - 1 },
        ]);
      }),
    );
  await Promise.all([read(a, 'phone', 7), read(b, 'laptop', 13)]);
  expect(await a.positions('c1')).toEqual([{ uid: 'bob', lastRead: 199, delivered: 198 }]);
});

story('an account name is given once, in any case, by two nodes at once', async (a, b) => {
  const account = (uid: string) => ({ uid, displayName: uid, passwordHash: 'hash', at: 1 });
  for (const i of range(20)) {
    const made = await Promise.all([
      a.createAccount(account(`ann${i}`)),
      b.createAccount(account(`ANN${i}`)),
      b.ensureUser({ uid: `x${i}`, at: 1 }),
    ]);
    expect(made.slice(0, 2).toSorted()).toEqual([false, true]);
  }
});

story('of rotations of one token at two nodes one wins, and the session ends', async (a, b) => {
  const session = { sid: 's1', uid: 'ann', label: '', createdAt: 1, lastSeenAt: 1, expiresAt: 1_000, refreshHash: 't0', liveMax: 10 };
  await a.createSession(session);
  const rotations = range(10).map((i) =>
    (i % 2 === 0 ? a : b).rotateSession({ refreshHash: 't0', nextHash: `n${i}`, at: 2, expiresAt: 1_000 }),
  );
  const results = (await Promise.all(rotations)).map(({ result }) => result);
  expect(results.toSorted()).toEqual(['ok', 'reused', ...Array(8).fill('unknown')]);
  expect(await b.revokedSessions(0)).toEqual(['s1']);
});

test('nodes that start at once on an empty database all work', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const url = await server.createDatabase();
  const nodes = await Promise.all(range(6).map(() => openPostgresStore({ url })));
  await nodes[0]!.commit([create('c1', ['ann'])]);
  for (const [i, node] of nodes.entries()) expect((await node.commit([send('c1', `m${i}`)])).map(seqOf)).toEqual([i + 1]);
  await Promise.all(nodes.map((node) => node.close()));
});

story('what Postgres refuses to store is refused alone', async (a) => {
  await a.commit([create('c1', ['ann'])]);
  const huge = Array.from({ length: 3_000 }, () => Math.random().toString(36)).join('');
  const commands = [
    ...range(5).map((i) => send('c1', `m${i}`)),
    send('c1', huge),
    send('c1', 'm6'),
    create(huge, ['ann']),
    create('c2', ['ann']),
  ];
  const outcomes = await a.commit(commands);
  expect(outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.code))).toEqual([
    ...Array(5).fill('ok'),
    ...['bad_frame', 'ok', 'bad_frame', 'ok'],
  ]);
  expect(outcomes.map(seqOf)).toEqual([1, 2, 3, 4, 5, undefined, 6, undefined, undefined]);
});

story('NUL and other rare characters come back from every column', async (a, b) => {
  const odd = (name: string) => `${name} \0\u0001\u0002`;
  const [ann, cid] = [odd('ann'), odd('c1')];
  const title = odd('title');
  await a.commit([{ ...create(cid, [ann]), title } as Command]);
  await a.commit([{ op: 'add', cid, by: ann, at: 1, users: [odd('bob'), ''], role: 'member', createUsers: true }]);
  await a.commit([{ ...send(cid, 'm1', ann), kind: odd('kind'), mentions: [ann] } as Command]);
  await a.commit([{ op: 'delivered', cid, uid: ann, did: odd('phone'), pos: 1 }]);
  expect(await b.conversation(cid)).toMatchObject({ cid, title });
  expect((await b.participants(cid)).map(({ uid }) => uid).toSorted()).toEqual(['', ann, odd('bob')]);
  expect(await b.messages(cid, { limit: 1 })).toMatchObject([{ from: ann, kind: odd('kind'), mentions: [ann] }]);
  expect(await b.changes(cid, { after: 0, limit: 1 })).toMatchObject([{ by: ann, detail: { users: [odd('bob'), ''] } }]);
  expect(await b.revs([cid])).toEqual([2]);
  expect(await b.heads(ann, [cid])).toMatchObject([{ cid, head: 1 }]);
  expect(await b.positions(cid)).toEqual([{ uid: ann, lastRead: 0, delivered: 1 }]);
  await b.ensureUser({ uid: odd('eve'), displayName: odd('Eve'), at: 1 });
  expect(await a.users([odd('eve')])).toEqual([{ uid: odd('eve'), displayName: odd('Eve'), createdAt: 1 }]);
});

story('a batch too large for one transaction keeps its order', async (a) => {
  const body = JSON.stringify({ text: 'x'.repeat(300_000) });
  const outcomes = await a.commit([
    create('c1', ['ann']),
    ...range(40).map((i) => ({ ...send('c1', `m${i}`), body }) as Command),
    send('c1', 'm1'),
  ]);
  expect(outcomes.slice(1).map(seqOf)).toEqual([...range(40), 1]);
  expect(outcomes.slice(1).map(isNew)).toEqual([...Array(40).fill(true), false]);
});
