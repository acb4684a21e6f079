import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';

export interface MigrationStatus {
  readonly version: number;
  readonly name: string;
  readonly state: 'applied' | 'pending';
  /** Epoch milliseconds. */
  readonly appliedAt?: number;
}

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
}

interface AppliedRow {
  version: number;
  name: string;
  checksum: string;
  applied_at: number;
}

const FOLDER = fileURLToPath(new URL('./migrations/', import.meta.url));

/**
 * Brings the database to this version of the code, each migration in a transaction of its own.
 * @throws Error when an applied migration is not the one of this code, or the database is newer than the code
 */
export function migrate(db: DatabaseSync, now: number): void {
  db.exec(
    'CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL)',
  );
  const known = readMigrations();
  const applied = readApplied(db);
  check(known, applied);
  for (const { version, name, sql, checksum } of known.filter((migration) => !applied.some((row) => row.version === migration.version))) {
    db.exec('BEGIN IMMEDIATE');
    try {
      db.exec(sql);
      db.prepare('INSERT INTO migration VALUES (?, ?, ?, ?)').run(version, name, checksum, now);
      db.exec('COMMIT');
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }
}

/**
 * Changes nothing.
 * @throws Error unless the migrations of this code were applied, all of them and no others
 */
export function requireMigrated(db: DatabaseSync): void {
  const has = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").get() !== undefined;
  if (!has) throw new Error('it is no database of Gapless');
  const [known, applied] = [readMigrations(), readApplied(db)];
  check(known, applied);
  const pending = known.find(({ version }) => !applied.some((row) => row.version === version));
  if (pending !== undefined)
    throw new Error(`migration ${pending.version} (${pending.name}) was not applied to it; a start of the server on it does that`);
}

/** What was applied to the file and what would be; changes nothing. */
export function sqliteMigrationStatus(path: string): MigrationStatus[] {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
  try {
    const has = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").get() !== undefined;
    const applied = has ? readApplied(db) : [];
    const pending = readMigrations().filter(({ version }) => !applied.some((row) => row.version === version));
    return [
      ...applied.map(({ version, name, applied_at }) => ({ version, name, state: 'applied' as const, appliedAt: applied_at })),
      ...pending.map(({ version, name }) => ({ version, name, state: 'pending' as const })),
    ];
  } finally {
    db.close();
  }
}

function check(known: readonly Migration[], applied: readonly AppliedRow[]): void {
  for (const row of applied) {
    const migration = known.find(({ version }) => version === row.version);
    if (migration === undefined)
      throw new Error(`the database has migration ${row.version} (${row.name}), which this version of Gapless does not know: it is newer`);
    if (migration.checksum !== row.checksum)
      throw new Error(`migration ${row.version} (${row.name}) is not the one that was applied to the database`);
  }
}

function readApplied(db: DatabaseSync): AppliedRow[] {
  return db.prepare('SELECT version, name, checksum, applied_at FROM migration ORDER BY version').all() as unknown as AppliedRow[];
}

function readMigrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((file) => /^\d{4}_\w+\.sql$/.test(file))
    .sort()
    .map((file) => {
      const sql = readFileSync(`${FOLDER}${file}`, 'utf8');
      return { version: Number(file.slice(0, 4)), name: file.slice(5, -4), sql, checksum: createHash('sha256').update(sql).digest('hex') };
    });
}
