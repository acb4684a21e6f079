import type { DatabaseSync } from 'node:sqlite';
import type { Store } from '@gapless/core';
import type { Sync } from './reads.ts';

export function createHealing(db: DatabaseSync): Sync<Pick<Store, 'healOwnReads'>> {
  const heal = db.prepare(
    `UPDATE participant SET last_read = sent.seq
     FROM (
       SELECT conv, actor, max(seq) AS seq FROM (SELECT conv, actor, op, seq FROM log ORDER BY id DESC LIMIT ?) WHERE op = 'message'
       GROUP BY conv, actor
     ) AS sent
     WHERE participant.conv = sent.conv AND participant.uid = sent.actor AND participant.last_read < sent.seq`,
  );
  return { healOwnReads: ({ rows }) => Number(heal.run(rows).changes) };
}
