import type { LogEntry } from '../model.ts';

/** One row of the log, as its consumers read it. */
export interface FeedRow {
  /** Place in its part: ascending, with holes. */
  readonly id: number;
  readonly entry: LogEntry;
  /** When it was written; epoch milliseconds. */
  readonly at: number;
}

/**
 * The log for consumers that read all of it, at their own pace: event bus, push, search, webhooks. It is read in parts; a conversation is
 * always in the same one, and within a part its revs come in order.
 *
 * Nothing is skipped: a row is given only when no transaction that is still running could put one in front of it. Leases and cursors are
 * of the store too, so that a cursor is never saved by who no longer owns the part.
 */
export interface LogFeed {
  /** Parts are numbered from 0. Fixed for the life of a database. */
  readonly parts: number;
  /** Rows behind `after` (0: from the oldest), ascending by id, at most `limit`. */
  feed(part: number, options: { after: number; limit: number }): Promise<FeedRow[]>;
  /** How much of a part is behind a place: rows (counted up to `countMax`), and when the oldest of them was written. */
  backlog(part: number, options: { after: number; countMax: number }): Promise<{ rows: number; oldestAt?: number }>;
  /** Where the consumer is in the part: id of the last row it is done with; 0 at first. */
  cursor(consumer: string, part: number): Promise<number>;
  /** Resolves to false, and nothing is saved, unless `holder` has the lease of that name now. Never goes back. */
  saveCursor(consumer: string, part: number, options: { id: number; lease: string; holder: string }): Promise<boolean>;
  /** Takes the lease, or makes one's own last longer. By the store's clock. Resolves to whether it is `holder`'s now. */
  acquireLease(name: string, holder: string, ttlMs: number): Promise<boolean>;
  /** Gives the lease back, so that the next need not wait; of another holder it is left alone. */
  releaseLease(name: string, holder: string): Promise<void>;
}
