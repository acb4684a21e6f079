import type { Command, Outcome } from '@gapless/core';
import type { Batch } from './batch.ts';

interface Row {
  last_read: number;
  delivered: number;
}

/** Where a user is in a conversation, and the seq a position cannot go beyond. */
function find(batch: Batch, cid: string, uid: string): { conv: number; head: number; row: Row } | undefined {
  batch.writeReads();
  const state = batch.conversation(cid);
  if (state === undefined) return undefined;
  const row = batch.sql('SELECT last_read, delivered FROM participant WHERE conv = ? AND uid = ?').get(state.id, uid) as Row | undefined;
  return row === undefined ? undefined : { conv: state.id, head: state.head, row };
}

export function read(batch: Batch, { cid, uid, pos }: Command & { op: 'read' }): Outcome {
  const place = find(batch, cid, uid);
  if (place === undefined) return { ok: false, code: 'not_participant' };
  const next = Math.min(pos, place.head);
  if (next <= place.row.last_read) return { ok: true, op: 'read', pos: place.row.last_read, advanced: false };
  batch.sql('UPDATE participant SET last_read = ? WHERE conv = ? AND uid = ?').run(next, place.conv, uid);
  return { ok: true, op: 'read', pos: next, advanced: true };
}

export function delivered(batch: Batch, { cid, uid, did, pos }: Command & { op: 'delivered' }): Outcome {
  const place = find(batch, cid, uid);
  if (place === undefined) return { ok: false, code: 'not_participant' };
  const next = Math.min(pos, place.head);
  batch
    .sql(
      'INSERT INTO delivered (conv, uid, did, pos) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET pos = excluded.pos WHERE excluded.pos > pos',
    )
    .run(place.conv, uid, did, next);
  if (next <= place.row.delivered) return { ok: true, op: 'delivered', pos: place.row.delivered, advanced: false };
  batch.sql('UPDATE participant SET delivered = ? WHERE conv = ? AND uid = ?').run(next, place.conv, uid);
  return { ok: true, op: 'delivered', pos: next, advanced: true };
}
