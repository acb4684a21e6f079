import { writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openSqliteStore, sqliteMigrationStatus } from './index.ts';
import { neverFatal, tempDatabases } from './temp.test-util.ts';

const newPath = tempDatabases();
const open = (path: string) => openSqliteStore({ path, onFatal: neverFatal });

/** A migrated database that something else then wrote to. */
async function tampered(sql: string): Promise<string> {
  const path = newPath();
  await (await open(path)).close();
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
  return path;
}

test('the status says pending before and applied after, and changes nothing', async () => {
  const path = newPath();
  new DatabaseSync(path).close();
  const pending = [{ version: 1, name: 'init', state: 'pending' }];
  expect(sqliteMigrationStatus(path)).toEqual(pending);
  expect(sqliteMigrationStatus(path)).toEqual(pending);

  const before = Date.now();
  const store = await open(path);
  const [status] = sqliteMigrationStatus(path);
  expect(status).toEqual({ version: 1, name: 'init', state: 'applied', appliedAt: expect.any(Number) });
  expect(status!.appliedAt).toBeGreaterThanOrEqual(before);
  await store.close();

  await (await open(path)).close();
  expect(sqliteMigrationStatus(path)).toEqual([status]);
});

test('a database whose migration is not this one is refused, and can be opened again when it is', async () => {
  const path = await tampered("UPDATE migration SET checksum = 'x' || checksum");
  await expect(open(path)).rejects.toThrow('migration 1 (init) is not the one that was applied to the database');
  const db = new DatabaseSync(path);
  db.exec('UPDATE migration SET checksum = substr(checksum, 2)');
  db.close();
  await (await open(path)).close();
});

test('a newer database is refused', async () => {
  const path = await tampered("INSERT INTO migration VALUES (9999, 'of_the_future', 'x', 0)");
  await expect(open(path)).rejects.toThrow(
    'the database has migration 9999 (of_the_future), which this version of Gapless does not know: it is newer',
  );
  expect(sqliteMigrationStatus(path).map(({ version, state }) => `${version} ${state}`)).toEqual(['1 applied', '9999 applied']);
});

test('a file that is no database is refused', async () => {
  const path = newPath();
  writeFileSync(path, 'not a database, by far not a database, in no way a database '.repeat(100));
  await expect(open(path)).rejects.toThrow('file is not a database');
});
