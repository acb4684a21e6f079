import type { Command, Outcome } from '@gapless/core';
import type { Batch } from './batch.ts';

const NO_CONVERSATION: Outcome = { ok: false, code: 'not_participant' };

/** Adds who is not there yet. */
export function add(batch: Batch, command: Command & { op: 'add' }): Outcome {
  const state = batch.conversation(command.cid);
  if (state === undefined) return NO_CONVERSATION;
  const unknown = ensureUsers(batch, command.users, command);
  if (unknown !== undefined) return unknown;
  // What was sent before belongs to who was there then.
  batch.writeReads();
  const { by, at, role } = command;
  const insert = batch.sql('INSERT INTO participant (conv, uid, role, joined_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING');
  const users = command.users.filter((uid) => insert.run(state.id, uid, role, at).changes > 0);
  if (users.length === 0) return { ok: true, op: 'add' };
  state.members += users.length;
  return { ok: true, op: 'add', entry: batch.log(state, { by, at, detail: { op: 'participants_added', users, role } }) };
}

export function remove(batch: Batch, command: Command & { op: 'remove' }): Outcome {
  const state = batch.conversation(command.cid);
  if (state === undefined) return NO_CONVERSATION;
  const { by, at, uid } = command;
  if (batch.sql('DELETE FROM participant WHERE conv = ? AND uid = ?').run(state.id, uid).changes === 0) return { ok: true, op: 'remove' };
  batch.sql('DELETE FROM delivered WHERE conv = ? AND uid = ?').run(state.id, uid);
  state.members--;
  return { ok: true, op: 'remove', entry: batch.log(state, { by, at, detail: { op: 'participants_removed', users: [uid] } }) };
}

export function settings(batch: Batch, command: Command & { op: 'settings' }): Outcome {
  const state = batch.conversation(command.cid);
  if (state === undefined) return NO_CONVERSATION;
  const { by, at, title } = command;
  const changed = batch.sql('UPDATE conversation SET title = ? WHERE id = ? AND title IS NOT ?').run(title, state.id, title).changes > 0;
  return changed
    ? { ok: true, op: 'settings', entry: batch.log(state, { by, at, detail: { op: 'settings', title } }) }
    : { ok: true, op: 'settings' };
}

/** Creates the users when the caller may, else says which one does not exist. Nothing is written when it says so. */
export function ensureUsers(
  batch: Batch,
  users: readonly string[],
  { createUsers, at }: { createUsers: boolean; at: number },
): Outcome | undefined {
  if (createUsers) {
    const insert = batch.sql('INSERT INTO user (uid, name, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
    for (const uid of users) insert.run(uid, uid, at);
    return undefined;
  }
  const known = batch.sql('SELECT 1 FROM user WHERE uid = ?');
  const missing = users.find((uid) => known.get(uid) === undefined);
  return missing === undefined ? undefined : { ok: false, code: 'unknown_user', say: `There is no user ${missing}.` };
}
