import { DatabaseSync } from 'node:sqlite';
import { createPrivate, SQLITE_BUSY, sqliteCode } from './database.ts';

/**
 * Keeps a second server off the same file. The lock is the operating system's: it ends with the process, however that ends.
 * @throws Error when another process holds it
 */
export function lockDatabase(path: string): () => void {
  // Who could read it could also lock it.
  createPrivate(`${path}.lock`);
  const db = new DatabaseSync(`${path}.lock`);
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (sqliteCode(error) === SQLITE_BUSY) throw new Error(`another server is running on ${path}; the embedded store serves one process`);
    throw error;
  }
  return () => db.close();
}
