import type { Command, Outcome } from '@gapless/core';
import type { Batch, ConversationState } from './batch.ts';

const NO_PARTICIPANT: Outcome = { ok: false, code: 'not_participant' };

export function read(batch: Batch, { cid, uid, pos }: Command & { op: 'read' }): Outcome {
  return advance(batch, { cid, uid, pos, op: 'read' }) ?? NO_PARTICIPANT;
}

export function delivered(batch: Batch, { cid, uid, did, pos }: Command & { op: 'delivered' }): Outcome {
  const outcome = advance(batch, { cid, uid, pos, op: 'delivered' });
  if (outcome === undefined) return NO_PARTICIPANT;
  const state = batch.conversation(cid)!;
  const next = Math.min(pos, state.head);
  const moved = batch.sql('UPDATE delivered SET pos = ? WHERE conv = ? AND uid = ? AND did = ? AND pos < ?');
  if (moved.run(next, state.id, uid, did, next).changes === 0)
    batch.sql('INSERT INTO delivered (conv, uid, did, pos) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING').run(state.id, uid, did, next);
  return outcome;
}

const COLUMN = { read: 'last_read', delivered: 'delivered' } as const;

/** Moves the user's position; only where that changes nothing it is looked where it is. Undefined: no participant. */
function advance(
  batch: Batch,
  { cid, uid, pos, op }: { cid: string; uid: string; pos: number; op: keyof typeof COLUMN },
): Outcome | undefined {
  const state: ConversationState | undefined = batch.conversation(cid);
  if (state === undefined) return undefined;
  batch.writeReads();
  const column = COLUMN[op];
  const next = Math.min(pos, state.head);
  const moved = batch
    .sql(`UPDATE participant SET ${column} = ? WHERE conv = ? AND uid = ? AND ${column} < ?`)
    .run(next, state.id, uid, next);
  if (moved.changes > 0) return { ok: true, op, pos: next, advanced: true };
  const row = batch.sql(`SELECT ${column} AS pos FROM participant WHERE conv = ? AND uid = ?`).get(state.id, uid) as
    | { pos: number }
    | undefined;
  return row && { ok: true, op, pos: row.pos, advanced: false };
}
