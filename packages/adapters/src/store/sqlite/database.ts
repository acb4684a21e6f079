import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** Wait for another connection's lock; only the two of this process and a backup tool ever meet. */
const BUSY_TIMEOUT_MS = 5_000;

const MiB = 1024 * 1024;

/** A connection with the settings that durability rests on. Every commit is fsynced before it returns. */
export function openDatabase(path: string, role: 'writer' | 'reader'): DatabaseSync {
  if (role === 'writer') createPrivate(path);
  const db = new DatabaseSync(path, { readOnly: role === 'reader', timeout: BUSY_TIMEOUT_MS });
  if (role === 'writer') {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    // Checkpoints are made by checkpoint.ts, which sees them fail.
    db.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY');
  } else db.exec(`PRAGMA cache_size = -32768; PRAGMA mmap_size = ${1024 * MiB}; PRAGMA temp_store = MEMORY; PRAGMA query_only = ON`);
  return db;
}

/**
 * Keeps the other connections from being the last one, which writes and fsyncs the log into the file when it closes, also on
 * process.exit: after a failed fsync that must not be. Close it to let them.
 */
export function holdOpen(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  // The first read takes the lock that stays until the connection closes.
  db.prepare('SELECT 1 FROM sqlite_schema').get();
  return db;
}

/**
 * Makes the file for the server's eyes only. SQLite gives its companions (-wal, -shm, -journal) the same mode. One that exists is not
 * opened: closing a file ends every lock that this process has on it.
 */
export function createPrivate(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

/** Primary result code of a SQLite error, or undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

export const SQLITE_BUSY = 5;

/** A failed read, write or fsync; a damaged file; no database at all. After these the file's state is not known. */
const FATAL_CODES = [10, 11, 26];

/** Whether an error leaves no doubt: the transaction is gone and the file whole. A full disk is such a case. */
export function isRolledBack(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== undefined && !FATAL_CODES.includes(code);
}
