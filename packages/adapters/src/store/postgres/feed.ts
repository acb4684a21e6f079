import type { FeedRow, LogFeed } from '@gapless/core';
import { type ChangeRow, MESSAGE_COLUMNS } from '../rows.ts';
import type { Pool } from './pool.ts';
import type { Query } from './query.ts';
import { toEntry } from './rows.ts';
import { stored } from './text.ts';

/** As many as 0001_init.sql made: fixed for the life of a database. */
export const PARTS = 8;

/** Looks that one call takes, when rows are held back by transactions that still ran at the first one. */
const LOOKS_MAX = 4;

/** Between looks: commits take about this long. */
const LOOK_AGAIN_MS = 5;

interface Look {
  newest_id: number;
  next_xid: number;
  oldest_running: number;
}

/**
 * The log, partition by partition, in order of its ids.
 *
 * Ids are handed out in one order and become visible in another: a transaction may take 7 and commit after the one that took 8. Who read 8
 * and went on from there would never see 7. So nothing is read beyond an id that is known to be settled:
 *
 * 1. A look reads the newest id that was handed out, and after it the next transaction id to be handed out. Every transaction takes an id of
 *    the log only when it has a transaction id (it has locked a row), so whoever took one up to the newest is older than that.
 * 2. When a later look finds every older transaction ended, each id up to the newest of the first look is committed or will never be.
 *
 * Ids of one conversation ascend as its revs do, for they are taken while its row is locked. Looks are shared by all parts. What they
 * found is forgotten when a connection was lost: after a crash the server may hand out the same numbers again.
 *
 * A transaction that stays open and has written something, whoever's it is on that server, holds the feed back until it ends.
 */
export function createFeed({ query, pool }: { query: Query; pool: Pick<Pool, 'losses'> }): LogFeed {
  let settledId = 0;
  let pending: Look | undefined;
  let losses = pool.losses;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    const [now] = await query<Look>('SELECT * FROM look_at_log()');
    if (losses !== pool.losses) {
      settledId = 0;
      pending = undefined;
      losses = pool.losses;
      // This look itself may be older than the loss.
      return;
    }
    for (const earlier of [pending, now!]) {
      if (earlier !== undefined && now!.oldest_running >= earlier.next_xid) settledId = Math.max(settledId, earlier.newest_id);
    }
    if (pending === undefined || pending.newest_id <= settledId) pending = now!;
  }

  /** Takes a look, or shares the one that is being taken. */
  async function lookAgain(): Promise<void> {
    looking ??= look().finally(() => (looking = undefined));
    await looking;
  }

  return {
    parts: PARTS,
    ...createLeases(query),

    async feed(part, { after, limit }) {
      for (let looks = 1; ; looks++) {
        await lookAgain();
        const rows = settledId > after ? await readPart(query, part, { after, upTo: settledId, limit }) : [];
        const heldBack = pending !== undefined && pending.newest_id > settledId && pending.newest_id > after;
        if (rows.length > 0 || !heldBack || looks === LOOKS_MAX) return rows;
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    },

    async backlog(part, { after, countMax }) {
      const text = `SELECT count(*) AS rows, (SELECT l.at FROM ${tableOf(part)} l WHERE l.id > $1 ORDER BY l.id LIMIT 1) AS oldest_at
        FROM (SELECT 1 FROM ${tableOf(part)} l WHERE l.id > $1 LIMIT $2) t`;
      const [row] = await query<{ rows: number; oldest_at: number | null }>(text, [after, countMax]);
      const { rows, oldest_at } = row!;
      return oldest_at === null ? { rows } : { rows, oldestAt: oldest_at };
    },
  };
}

async function readPart(
  query: Query,
  part: number,
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): Promise<FeedRow[]> {
  // A conversation's messages are in the partition of the same number.
  const text = `SELECT l.id, l.cid, l.rev, l.op, l.actor, l.at, l.payload, ${MESSAGE_COLUMNS} FROM ${tableOf(part)} l
    LEFT JOIN message_p${part} m ON l.op = 'message' AND m.cid = l.cid AND m.seq = l.seq
    WHERE l.id > $1 AND l.id <= $2 ORDER BY l.id LIMIT $3`;
  const rows = await query<ChangeRow & { id: number; cid: string }>(text, [after, upTo, limit]);
  return rows.map((row) => ({ id: row.id, entry: toEntry(row.cid, row), at: row.at }));
}

/** Parts are partitions. */
function tableOf(part: number): string {
  if (!Number.isInteger(part) || part < 0 || part >= PARTS) throw new Error(`there is no part ${part}`);
  return `log_p${part}`;
}

/** Leases and cursors, by the clock of the server. */
function createLeases(query: Query): Pick<LogFeed, 'cursor' | 'saveCursor' | 'acquireLease' | 'releaseLease'> {
  return {
    async cursor(consumer, part) {
      const [row] = await query<{ id: number }>('SELECT id FROM consumer_cursor WHERE consumer = $1 AND part = $2', [
        stored(consumer),
        part,
      ]);
      return row?.id ?? 0;
    },

    async saveCursor(consumer, part, { id, lease, holder }) {
      // The lease stays locked until this is committed: nobody takes it over meanwhile.
      const text = `INSERT INTO consumer_cursor AS c (consumer, part, id)
        SELECT $1, $2::int, $3::bigint FROM (SELECT 1 FROM lease WHERE name = $4 AND holder = $5 AND expires_at > clock_timestamp() FOR SHARE) l
        ON CONFLICT (consumer, part) DO UPDATE SET id = greatest(c.id, excluded.id) RETURNING c.id`;
      return (await query(text, [stored(consumer), part, id, stored(lease), stored(holder)])).length > 0;
    },

    async acquireLease(name, holder, ttlMs) {
      const text = `INSERT INTO lease AS l (name, holder, expires_at) VALUES ($1, $2, clock_timestamp() + $3::bigint * interval '1 millisecond')
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = clock_timestamp() + $3::bigint * interval '1 millisecond'
        WHERE l.holder = excluded.holder OR l.expires_at <= clock_timestamp() RETURNING l.name`;
      return (await query(text, [stored(name), stored(holder), ttlMs])).length > 0;
    },

    async releaseLease(name, holder) {
      await query('DELETE FROM lease WHERE name = $1 AND holder = $2', [stored(name), stored(holder)]);
    },
  };
}
