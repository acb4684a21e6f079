import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { sharedPostgres } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { NOT_MOVED, TABLES } from '../installation.ts';
import { migrate } from '../postgres/migrate.ts';
import { query } from '../postgres/server.test-util.ts';
import { openSqliteExport } from './export.ts';
import { openSqliteStore } from './index.ts';
import { neverFatal, tempDatabases } from './temp.test-util.ts';

const newPath = tempDatabases();
const open = (path: string) => openSqliteStore({ path, onFatal: neverFatal });

async function database(): Promise<string> {
  const path = newPath();
  await (await open(path)).close();
  return path;
}

test('a database in use is refused, and while it is exported no server starts on it', async () => {
  const path = newPath();
  const store = await open(path);
  expect(() => openSqliteExport(path)).toThrow(`another server is running on ${path}`);
  await store.close();
  const source = openSqliteExport(path);
  await expect(open(path)).rejects.toThrow('another server is running');
  source.close();
  source.close();
  await (await open(path)).close();
});

test('the file is not changed, and what a crash left in the log is read', async () => {
  const path = await database();
  // As a killed server leaves it: the newest commits only in the -wal.
  const crashed = new DatabaseSync(path);
  crashed.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; INSERT INTO user VALUES ('ann', 'Ann', 1, NULL)");
  const digest = () => createHash('sha256').update(readFileSync(path)).digest('hex');
  const before = digest();
  const source = openSqliteExport(path);
  expect(source.count('users')).toBe(1);
  expect([...source.rows('users')]).toEqual([['ann', 'Ann', 1, null]]);
  source.close();
  expect(digest()).toBe(before);
  crashed.close();
});

test('an older or newer database, one that is not of Gapless, and a file that is none, are refused', async () => {
  const path = await database();
  const db = new DatabaseSync(path);
  db.exec('DELETE FROM migration WHERE version = (SELECT max(version) FROM migration)');
  expect(() => openSqliteExport(path)).toThrow(/migration \d+ \(\w+\) was not applied to it; a start of the server on it does that/);
  db.exec("INSERT INTO migration VALUES (9999, 'of_the_future', 'x', 0)");
  expect(() => openSqliteExport(path)).toThrow('it is newer');
  db.exec('DROP TABLE migration');
  expect(() => openSqliteExport(path)).toThrow('it is no database of Gapless');
  db.close();
  const other = newPath();
  writeFileSync(other, 'not a database, by far not a database, in no way a database '.repeat(100));
  expect(() => openSqliteExport(other)).toThrow('file is not a database');
});

// Goal: a column that a later migration adds is not forgotten in the copy.
test('every table and column of SQLite is copied, but what is said to stay', async () => {
  const db = new DatabaseSync(await database(), { readOnly: true });
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
  const inner = { id: [], conv: ['cid'], dm_key: [] } as Record<string, string[]>;
  const there = tables.map(({ name }) => String(name)).filter((name) => !NOT_MOVED.includes(name));
  const columnsOf = (table: string) =>
    db
      .prepare(`SELECT name FROM pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => String(name));
  const found = there.map((table) => [
    table === 'user' ? 'users' : table,
    columnsOf(table)
      .flatMap((column) => (['log', 'accept_state'].includes(table) && column === 'id' ? ['id'] : (inner[column] ?? [column])))
      .toSorted(),
  ]);
  const copied = Object.entries(TABLES).map(([table, columns]) => [table, Object.keys(columns).toSorted()]);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(copied.filter(([table]) => table !== 'dm')));
  db.close();
});

test('every table and column of Postgres is filled, but what is said to stay', async (ctx) => {
  const server = await sharedPostgres();
  if ('reason' in server) return ctx.skip(server.reason);
  const url = await server.createDatabase();
  await migrate(url);
  const rows = await query(
    url,
    `SELECT c.table_name AS table, c.column_name AS column, c.data_type AS type FROM information_schema.columns c
     JOIN pg_class k ON k.relname = c.table_name AND k.relnamespace = 'public'::regnamespace
     WHERE c.table_schema = 'public' AND NOT k.relispartition AND c.table_name <> ALL ('{${NOT_MOVED.join(',')}}')`,
  );
  const found: Record<string, Record<string, unknown>> = {};
  for (const { table, column, type } of rows) (found[String(table)] ??= {})[String(column)] = type;
  expect(found).toEqual(TABLES);
});
