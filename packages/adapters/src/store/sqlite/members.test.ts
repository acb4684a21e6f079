import { DatabaseSync } from 'node:sqlite';
import type { Command, SendCommand } from '@gapless/core';
import { expect, test } from 'vitest';
import { openSqliteStore } from './index.ts';
import { neverFatal, tempDatabases } from './temp.test-util.ts';

const newPath = tempDatabases();

function send(mid: string, rest: Partial<SendCommand> = {}): SendCommand {
  return { op: 'send', cid: 'c1', mid, from: 'ann', at: 1, kind: 'text', body: '{}', digest: mid, membersRev: 0, ...rest };
}

const CREATE: Command = {
  ...{ op: 'create', cid: 'c1', kind: 'group', by: 'ann', at: 1, createUsers: true },
  participants: ['ann', 'bob'].map((uid) => ({ uid, role: 'owner' as const })),
};

// Goal: no member row is read or written. Method: nobody can, the table is away.
test('sends and saves need no member row', async () => {
  const path = newPath();
  const store = await openSqliteStore({ path, onFatal: neverFatal });
  await store.commit([CREATE]);
  await store.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: 1, state: 'open' });
  const db = new DatabaseSync(path);
  db.exec('ALTER TABLE participant RENAME TO away');
  const outcomes = await store.commit([
    ...[send('a'), send('a'), send('b'), { op: 'open', cid: 'c1', epoch: 1, opening: 1, window: 10 } as const],
    { op: 'save', cid: 'c1', epoch: 1, seq: 3, rev: 3, send: send('c'), window: 10 },
  ]);
  expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
  await expect(
    store.commit([send('d', { cid: 'c1', ensureMembers: true }), { op: 'read', cid: 'c1', uid: 'bob', pos: 1 }]),
  ).rejects.toThrow();
  db.close();
  await store.close();
});

test('how long members took is told for each transaction that ensures them, and for no other', async () => {
  const told: number[] = [];
  const store = await openSqliteStore({ path: newPath(), onFatal: neverFatal, onEnsureMembers: (ms) => told.push(ms) });
  await store.commit([CREATE, send('a'), { op: 'read', cid: 'c1', uid: 'bob', pos: 1 }]);
  expect(told).toEqual([]);
  await store.commit([send('b', { ensureMembers: true }), send('c', { ensureMembers: true })]);
  expect(told).toHaveLength(1);
  expect(told[0]).toBeGreaterThan(0);
  await store.close();
});
