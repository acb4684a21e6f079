import type { CreateCommand, Outcome } from '@gapless/core';
import type { Batch } from './batch.ts';
import { ensureUsers } from './participants.ts';

/** A new conversation, or the dm that its two users have. */
export function create(batch: Batch, command: CreateCommand): Outcome {
  const { cid, kind, title, by, at, participants } = command;
  const users = participants.map(({ uid }) => uid);
  const dmKey = kind === 'dm' ? JSON.stringify(users.toSorted()) : null;
  if (dmKey !== null) {
    const existing = batch.sql('SELECT cid FROM conversation WHERE dm_key = ?').get(dmKey) as { cid: string } | undefined;
    if (existing !== undefined) return { ok: true, op: 'create', cid: existing.cid, created: false };
  }
  const unknown = ensureUsers(batch, users, command);
  if (unknown !== undefined) return unknown;
  const { lastInsertRowid } = batch
    .sql('INSERT INTO conversation (cid, kind, title, dm_key, created_at, updated_at, members) VALUES (?, ?, ?, ?, ?, ?, ?)')
    .run(cid, kind, title ?? null, dmKey, at, at, users.length);
  const insert = batch.sql('INSERT INTO participant (conv, uid, role, joined_at) VALUES (?, ?, ?, ?)');
  for (const { uid, role } of participants) insert.run(lastInsertRowid, uid, role, at);
  const state = batch.keep({
    id: Number(lastInsertRowid),
    cid,
    head: 0,
    rev: 0,
    membersRev: 0,
    updatedAt: at,
    members: users.length,
    acceptEpoch: 0,
    acceptOpening: 0,
    acceptOpened: 0,
    reserved: 0,
    dirty: false,
  });
  const entry = batch.log(state, { by, at, detail: { op: 'created', kind, users, ...(title === undefined ? {} : { title }) } });
  return { ok: true, op: 'create', cid, created: true, entry };
}
