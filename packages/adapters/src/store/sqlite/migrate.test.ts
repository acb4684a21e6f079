import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { ENDED_SESSIONS, REPLACED_TOKENS } from './accounts.ts';
import { openSqliteStore, sqliteMigrationStatus } from './index.ts';
import { LAST_SEEN_FIRST, LIVE_SESSIONS } from './reads.ts';
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

/** A database as schema 0001 left it, with three sign-ins of ann in it. A migration that was released is never changed: hence the checksum. */
function ofSchema1(): string {
  const path = newPath();
  const db = new DatabaseSync(path);
  db.exec(readFileSync(new URL('migrations/0001_init.sql', import.meta.url), 'utf8'));
  db.exec(`CREATE TABLE migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL);
    INSERT INTO migration VALUES (1, 'init', 'b4c37dafb34036c6344f0ef4cde052dc3fb5ba57c31a3b136eb35132ff16f849', 1);
    INSERT INTO session VALUES ('fresh', 'ann', 100, 1100, NULL), ('used', 'ann', 100, 1300, NULL), ('gone', 'ann', 100, 1100, 150);
    INSERT INTO refresh_token VALUES ('f0', 'fresh', NULL), ('u0', 'used', 200), ('u1', 'used', 300), ('u2', 'used', NULL), ('g0', 'gone', NULL)`);
  db.close();
  return path;
}

test('sign-ins of schema 0001 live on, without a label, last seen when they were', async () => {
  const store = await open(ofSchema1());
  expect(await store.sessionsOf('ann', { at: 400, limit: 100 })).toEqual([
    { sid: 'used', uid: 'ann', label: '', createdAt: 100, lastSeenAt: 300, expiresAt: 1_300 },
    { sid: 'fresh', uid: 'ann', label: '', createdAt: 100, lastSeenAt: 100, expiresAt: 1_100 },
  ]);
  const next = { nextHash: 'u3', at: 500, expiresAt: 1_500 };
  expect(await store.rotateSession({ refreshHash: 'u2', ...next })).toMatchObject({ result: 'ok', session: { lastSeenAt: 500 } });
  expect(await store.rotateSession({ refreshHash: 'u0', ...next })).toMatchObject({ result: 'reused' });
  expect(await store.pruneSessions(300, 100)).toBe(2);
  expect(await store.revokedSessions(0)).toEqual(['used']);
  await store.close();
});

test('the lists and the pruning of sessions go by an index', async () => {
  const path = newPath();
  await (await open(path)).close();
  const db = new DatabaseSync(path, { readOnly: true });
  const plan = (sql: string) =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map(({ detail }) => detail);
  expect(plan(`SELECT * ${LIVE_SESSIONS} ${LAST_SEEN_FIRST} LIMIT 1`)).toEqual(['SEARCH session USING INDEX session_user (uid=?)']);
  expect(plan(ENDED_SESSIONS)).toEqual([expect.stringMatching(/^SEARCH session USING (COVERING )?INDEX session_end /)]);
  expect(plan(REPLACED_TOKENS)).toEqual([expect.stringMatching(/^SEARCH refresh_token USING (COVERING )?INDEX refresh_token_used /)]);
  db.close();
});

test('the status says pending before and applied after, and changes nothing', async () => {
  const path = newPath();
  new DatabaseSync(path).close();
  const pending = [
    { version: 1, name: 'init', state: 'pending' },
    { version: 2, name: 'sessions', state: 'pending' },
  ];
  expect(sqliteMigrationStatus(path)).toEqual(pending);
  expect(sqliteMigrationStatus(path)).toEqual(pending);

  const before = Date.now();
  const store = await open(path);
  const status = sqliteMigrationStatus(path);
  expect(status).toEqual(pending.map((migration) => ({ ...migration, state: 'applied', appliedAt: expect.any(Number) })));
  expect(status[0]!.appliedAt).toBeGreaterThanOrEqual(before);
  await store.close();

  await (await open(path)).close();
  expect(sqliteMigrationStatus(path)).toEqual(status);
});

test('a database whose migration is not this one is refused, and can be opened again when it is', async () => {
  const path = await tampered("UPDATE migration SET checksum = 'x' || checksum WHERE version = 1");
  await expect(open(path)).rejects.toThrow('migration 1 (init) is not the one that was applied to the database');
  const db = new DatabaseSync(path);
  db.exec('UPDATE migration SET checksum = substr(checksum, 2) WHERE version = 1');
  db.close();
  await (await open(path)).close();
});

test('a newer database is refused', async () => {
  const path = await tampered("INSERT INTO migration VALUES (9999, 'of_the_future', 'x', 0)");
  await expect(open(path)).rejects.toThrow(
    'the database has migration 9999 (of_the_future), which this version of Gapless does not know: it is newer',
  );
  expect(sqliteMigrationStatus(path).map(({ version, state }) => `${version} ${state}`)).toEqual([
    '1 applied',
    '2 applied',
    '9999 applied',
  ]);
});

test('a file that is no database is refused', async () => {
  const path = newPath();
  writeFileSync(path, 'not a database, by far not a database, in no way a database '.repeat(100));
  await expect(open(path)).rejects.toThrow('file is not a database');
});
