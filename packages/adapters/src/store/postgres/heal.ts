import type { Query } from './query.ts';

/** The newest rows by their places, the newest message of each sender among them, and its participant: by index, each. */
const HEAL = `UPDATE participant p SET last_read = t.seq
  FROM (
    SELECT n.cid, n.actor, max(n.seq) AS seq FROM (SELECT l.cid, l.actor, l.op, l.seq FROM log l ORDER BY l.id DESC LIMIT $1) n
    WHERE n.op = 'message' GROUP BY n.cid, n.actor ORDER BY n.cid, n.actor
  ) t
  WHERE p.cid = t.cid AND p.uid = t.actor AND p.last_read < t.seq RETURNING 1`;

export async function healOwnReads(query: Query, { rows }: { rows: number }): Promise<number> {
  return (await query(HEAL, [rows])).length;
}
