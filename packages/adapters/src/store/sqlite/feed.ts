import type { DatabaseSync } from 'node:sqlite';
import type { LogFeed } from '@gapless/core';
import { type ChangeRow, MESSAGE_COLUMNS } from '../rows.ts';
import { type Sync, toEntry } from './reads.ts';

// There is one part: the log's id is the order of the commits, for there is one writer.

type FeedReads = Sync<Pick<LogFeed, 'feed' | 'backlog' | 'cursor'>>;
type FeedWrites = Sync<Pick<LogFeed, 'saveCursor' | 'acquireLease' | 'releaseLease'>>;

export function createFeedReads(db: DatabaseSync): FeedReads {
  const page = db.prepare(
    `SELECT l.id, c.cid, l.rev, l.op, l.actor, l.at, l.payload, ${MESSAGE_COLUMNS} FROM log l
     JOIN conversation c ON c.id = l.conv
     LEFT JOIN message m ON l.op = 'message' AND m.conv = l.conv AND m.seq = l.seq
     WHERE l.id > ? ORDER BY l.id LIMIT ?`,
  );
  const count = db.prepare('SELECT count(*) AS rows FROM (SELECT 1 FROM log WHERE id > ? LIMIT ?)');
  const oldest = db.prepare('SELECT at FROM log WHERE id > ? ORDER BY id LIMIT 1');
  const cursor = db.prepare('SELECT id FROM cursor WHERE consumer = ? AND part = ?');

  return {
    feed: (_part, { after, limit }) =>
      (page.all(after, limit) as unknown as (ChangeRow & { id: number; cid: string })[]).map((row) => ({
        id: row.id,
        entry: toEntry(row.cid, row),
        at: row.at,
      })),

    backlog(_part, { after, countMax }) {
      const { rows } = count.get(after, countMax) as { rows: number };
      const first = oldest.get(after) as { at: number } | undefined;
      return first === undefined ? { rows } : { rows, oldestAt: first.at };
    },

    cursor: (consumer, part) => (cursor.get(consumer, part) as { id: number } | undefined)?.id ?? 0,
  };
}

/** Each is a transaction of its own. The clock is this machine's: all who share the file do. */
export function createFeedWrites(db: DatabaseSync): FeedWrites {
  const save = db.prepare(
    `INSERT INTO cursor (consumer, part, id)
     SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM lease WHERE name = ? AND holder = ? AND expires_at > ?)
     ON CONFLICT DO UPDATE SET id = max(id, excluded.id)`,
  );
  const acquire = db.prepare(
    `INSERT INTO lease (name, holder, expires_at) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
     WHERE holder = excluded.holder OR expires_at <= ?`,
  );
  const release = db.prepare('DELETE FROM lease WHERE name = ? AND holder = ?');

  return {
    saveCursor: (consumer, part, { id, lease, holder }) => save.run(consumer, part, id, lease, holder, Date.now()).changes > 0,
    acquireLease(name, holder, ttlMs) {
      const now = Date.now();
      return acquire.run(name, holder, now + ttlMs, now).changes > 0;
    },
    releaseLease(name, holder) {
      release.run(name, holder);
    },
  };
}
