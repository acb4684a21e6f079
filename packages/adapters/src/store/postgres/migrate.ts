import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { hostsOf, NO_WRITES, takesWrites } from './hosts.ts';

export interface MigrationStatus {
  readonly version: number;
  readonly name: string;
  readonly state: 'applied' | 'pending';
  /** Epoch milliseconds. */
  readonly appliedAt?: number;
}

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
  /** The oldest version of the code that works on the database after it. */
  readonly compatibleFrom: number;
}

interface AppliedRow {
  version: number;
  name: string;
  checksum: string;
  applied_at: number;
  compatible_from: number;
}

const FOLDER = fileURLToPath(new URL('./migrations/', import.meta.url));

/** Any number that nobody else takes: who has its advisory lock migrates, one node at a time. */
const MIGRATION_LOCK = 4_715_227_536;

/** Others wait meanwhile; longer than any migration should take. */
const LOCK_WAIT_MS = 10 * 60_000;

const CONNECT_SEC = 5;

/**
 * Brings the database to this version of the code, each migration in a transaction of its own. Nodes that start at once wait for each
 * other. A database that is newer than the code is left as it is and used, where its migrations say that this version still works on it.
 *
 * @throws Error when an applied migration is not the one of this code, or the database is too new for it
 */
export async function migrate(url: string, known: readonly Migration[] = readMigrations()): Promise<void> {
  await withPrimary(url, async (sql) => {
    const [{ server_encoding: encoding } = {}] = await sql`SHOW server_encoding`;
    if (encoding !== 'UTF8') throw new Error(`the encoding of the database is ${encoding}; it must be UTF8`);
    await sql.unsafe(
      `SET statement_timeout = ${LOCK_WAIT_MS}; SET client_min_messages = error; SELECT pg_advisory_lock(${MIGRATION_LOCK})`,
    );
    await sql.unsafe(`CREATE TABLE IF NOT EXISTS migration (
      version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at bigint NOT NULL, compatible_from int NOT NULL)`);
    const applied = await readApplied(sql);
    check(known, applied);
    for (const { version, name, sql: text, checksum, compatibleFrom } of known) {
      if (applied.some((row) => row.version === version)) continue;
      await sql.begin(async (transaction) => {
        await transaction.unsafe(text);
        await transaction`INSERT INTO migration VALUES (${version}, ${name}, ${checksum}, ${Date.now()}, ${compatibleFrom})`;
      });
    }
  });
}

/** What was applied to the database and what would be; changes nothing. */
export async function postgresMigrationStatus(url: string): Promise<MigrationStatus[]> {
  return withPrimary(url, async (sql) => {
    const [there] = await sql`SELECT to_regclass('migration') IS NOT NULL AS has`;
    const applied = there?.has === true ? await readApplied(sql) : [];
    const pending = readMigrations().filter(({ version }) => !applied.some((row) => row.version === version));
    return [
      ...applied.map(({ version, name, applied_at }) => ({ version, name, state: 'applied' as const, appliedAt: Number(applied_at) })),
      ...pending.map(({ version, name }) => ({ version, name, state: 'pending' as const })),
    ];
  });
}

export function readMigrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((file) => /^\d{4}_\w+\.sql$/.test(file))
    .sort()
    .map((file) => toMigration(file, readFileSync(`${FOLDER}${file}`, 'utf8')));
}

export function toMigration(file: string, sql: string): Migration {
  const [, compatibleFrom] = /^-- compatible-from (\d+)$/m.exec(sql) ?? [];
  if (compatibleFrom === undefined)
    throw new Error(`${file} does not say from which version on the code works on it: -- compatible-from N`);
  const checksum = createHash('sha256').update(sql).digest('hex');
  return { version: Number(file.slice(0, 4)), name: file.slice(5, -4), sql, checksum, compatibleFrom: Number(compatibleFrom) };
}

function check(known: readonly Migration[], applied: readonly AppliedRow[]): void {
  const own = Math.max(...known.map(({ version }) => version));
  for (const row of applied) {
    const migration = known.find(({ version }) => version === row.version);
    if (migration === undefined && row.compatible_from > own)
      throw new Error(
        `the database has migration ${row.version} (${row.name}), on which Gapless works from schema ${row.compatible_from} on; this version is of schema ${own}`,
      );
    if (migration !== undefined && migration.checksum !== row.checksum)
      throw new Error(`migration ${row.version} (${row.name}) is not the one that was applied to the database`);
  }
}

async function readApplied(sql: postgres.Sql): Promise<AppliedRow[]> {
  return sql<AppliedRow[]>`SELECT version, name, checksum, applied_at, compatible_from FROM migration ORDER BY version`;
}

/** One connection to the server of the url that takes writes, until `use` is done. */
async function withPrimary<T>(url: string, use: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  let failure: unknown;
  for (const { host, port } of hostsOf(url)) {
    const options = { host: [host], port: [port], max: 1, connect_timeout: CONNECT_SEC, fetch_types: false, onnotice() {} };
    const sql = postgres(url, options as unknown as postgres.Options<Record<string, postgres.PostgresType>>);
    try {
      if (await takesWrites(sql)) return await use(sql);
      failure = new Error(NO_WRITES);
    } catch (error) {
      if (error instanceof postgres.PostgresError) throw error;
      failure = error;
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
  throw failure;
}
