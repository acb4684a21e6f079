import type { Command, SendCommand } from '@gapless/core';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { openPostgresStore } from './index.ts';
import { serverOf } from './server.test-util.ts';

const server = await serverOf();
const range = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

function send(mid: string, rest: Partial<SendCommand> = {}): SendCommand {
  return { op: 'send', cid: 'c1', mid, from: 'ann', at: 1, kind: 'text', body: '{}', digest: mid, membersRev: 0, ...rest };
}

const CREATE: Command = {
  ...{ op: 'create', cid: 'c1', kind: 'group', by: 'ann', at: 1, createUsers: true },
  participants: ['ann', 'bob'].map((uid) => ({ uid, role: 'owner' as const })),
};

// Goal: no member row is read or written. Method: nobody can, the table is locked.
test('sends, alone and together, and saves need no member row', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const url = await server.createDatabase();
  const store = await openPostgresStore({ url });
  const sql = postgres(url, { max: 1, onnotice() {} });
  await store.commit([CREATE]);
  await store.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: 1, state: 'open' });
  await sql.begin(async (tx) => {
    await tx.unsafe('LOCK TABLE participant, delivered IN ACCESS EXCLUSIVE MODE');
    const outcomes = [
      ...(await store.commit([send('m1')])),
      ...(await store.commit(range(20).map((i) => send(`n${i}`)))),
      ...(await store.commit([send('x'), send('x'), ...range(20).map((i) => send(`o${i}`))])),
      ...(await store.commit([{ op: 'open', cid: 'c1', epoch: 1, opening: 1, window: 10 }])),
      ...(await store.commit(
        range(5).map((i) => ({ op: 'save', cid: 'c1', epoch: 1, seq: 42 + i, rev: 42 + i, send: send(`s${i}`), window: 9 })),
      )),
    ];
    expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
  });
  await sql.end();
  await store.close();
});

test('how long members took is told for each transaction that ensures them, and for no other', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const told: number[] = [];
  const store = await openPostgresStore({ url: await server.createDatabase(), onEnsureMembers: (ms) => told.push(ms) });
  const ensured = (mid: string) => send(mid, { ensureMembers: true });
  await store.commit([CREATE, send('a'), ...range(10).map((i) => send(`b${i}`)), { op: 'read', cid: 'c1', uid: 'bob', pos: 1 }]);
  expect(told).toEqual([]);
  await store.commit([ensured('c')]);
  await store.commit(range(10).map((i) => ensured(`d${i}`)));
  await store.commit([ensured('e'), ensured('e'), send('f')]);
  expect(told).toHaveLength(3);
  for (const ms of told) expect(ms).toBeGreaterThan(0);
  await store.close();
});

test('a device is made once, by two nodes at once too', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const url = await server.createDatabase();
  const nodes = [await openPostgresStore({ url }), await openPostgresStore({ url })] as const;
  await nodes[0].commit([CREATE, ...range(50).map((i) => send(`m${i}`))]);
  const positions = range(50).map((pos) => ({ op: 'delivered', cid: 'c1', uid: 'bob', did: 'phone', pos }) as const);
  for (const pos of positions) {
    const outcomes = await Promise.all(nodes.map((node) => node.commit([pos, { ...pos, did: `laptop ${pos.pos}` }])));
    for (const [first, second] of outcomes)
      expect([first, second]).toMatchObject([
        { ok: true, pos: pos.pos },
        { ok: true, advanced: false },
      ]);
  }
  expect(await nodes[1].positions('c1')).toEqual([{ uid: 'bob', lastRead: 0, delivered: 50 }]);
  await Promise.all(nodes.map((node) => node.close()));
});
