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

/** A migration that was released is never changed: hence the checksums. */
const RELEASED = [
  { name: 'init', checksum: 'b4c37dafb34036c6344f0ef4cde052dc3fb5ba57c31a3b136eb35132ff16f849' },
  { name: 'sessions', checksum: '23b08a207f120ad4c3fe52433a9ee274af9682308bb7a5eca61a53cf404b5a64' },
];

/** A database as the code of an older schema left it, with these rows in it. */
function ofSchema(version: number, rows: string): string {
  const path = newPath();
  const db = new DatabaseSync(path);
  db.exec('CREATE TABLE migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL)');
  for (const [i, { name, checksum }] of RELEASED.slice(0, version).entries()) {
    db.exec(readFileSync(new URL(`migrations/000${i + 1}_${name}.sql`, import.meta.url), 'utf8'));
    db.prepare('INSERT INTO migration VALUES (?, ?, ?, 1)').run(i + 1, name, checksum);
  }
  db.exec(rows);
  db.close();
  return path;
}

/** Three sign-ins of ann. */
function ofSchema1(): string {
  return ofSchema(
    1,
    `INSERT INTO session VALUES ('fresh', 'ann', 100, 1100, NULL), ('used', 'ann', 100, 1300, NULL), ('gone', 'ann', 100, 1100, 150);
    INSERT INTO refresh_token VALUES ('f0', 'fresh', NULL), ('u0', 'used', 200), ('u1', 'used', 300), ('u2', 'used', NULL), ('g0', 'gone', NULL)`,
  );
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

test('a database of schema 0002 goes on: the feed has all that there was, and rights rest on the newest change of participants', async () => {
  const store = await open(
    ofSchema(
      2,
      `INSERT INTO user VALUES ('ann', 'Ann', 1, NULL), ('bob', 'Bob', 1, NULL);
       INSERT INTO conversation VALUES (1, 'c1', 'group', 'Plans', NULL, 10, 50, 2, 4, 1, 1), (2, 'c2', 'group', NULL, NULL, 20, 20, 0, 0, 1, 1);
       INSERT INTO participant VALUES (1, 'ann', 'owner', 10, 2, 0), (2, 'ann', 'owner', 20, 0, 0);
       INSERT INTO message VALUES (1, 1, 2, 'm1', 'ann', 40, 'text', '{"text":"one"}', NULL, NULL, NULL, 'd1'),
         (1, 2, 4, 'm2', 'ann', 50, 'text', '{"text":"two"}', '{"replyTo":1}', NULL, NULL, 'd2');
       INSERT INTO log VALUES (1, 1, 0, 'created', NULL, 'ann', 10, '{"kind":"group","users":["ann"],"title":"Plans"}'),
         (2, 2, 0, 'created', NULL, 'ann', 20, '{"kind":"group","users":["ann"]}'),
         (3, 1, 1, 'participants_added', NULL, 'ann', 30, '{"users":["bob"],"role":"member"}'),
         (4, 1, 2, 'message', 1, 'ann', 40, NULL),
         (5, 1, 3, 'participants_removed', NULL, 'ann', 45, '{"users":["bob"]}'),
         (6, 1, 4, 'message', 2, 'ann', 50, NULL)`,
    ),
  );
  expect(await store.conversation('c1')).toMatchObject({ head: 2, rev: 4, membersRev: 3 });
  expect(await store.conversation('c2')).toMatchObject({ rev: 0, membersRev: 0 });
  const rows = await store.feed(0, { after: 0, limit: 100 });
  expect(rows.map(({ id, at, entry: { cid, rev } }) => ({ id, at, cid, rev }))).toEqual([
    { id: 1, at: 10, cid: 'c1', rev: 0 },
    { id: 2, at: 20, cid: 'c2', rev: 0 },
    { id: 3, at: 30, cid: 'c1', rev: 1 },
    { id: 4, at: 40, cid: 'c1', rev: 2 },
    { id: 5, at: 45, cid: 'c1', rev: 3 },
    { id: 6, at: 50, cid: 'c1', rev: 4 },
  ]);
  expect(rows.filter(({ entry }) => entry.cid === 'c1' && entry.rev > 0).map(({ entry }) => entry)).toEqual(
    await store.changes('c1', { after: 0, limit: 100 }),
  );
  const message = { op: 'send' as const, cid: 'c1', from: 'ann', at: 60, kind: 'text', body: '{"text":"two"}', replyTo: 1 };
  const outcomes = await store.commit([
    { ...message, mid: 'm2', digest: 'd2' },
    { ...message, from: 'nobody', mid: 'm3', digest: 'd3', membersRev: 1 },
    { ...message, mid: 'm3', digest: 'd3', membersRev: 3 },
  ]);
  expect(outcomes).toMatchObject([
    { seq: 2, rev: 4, dup: true },
    { ok: false, code: 'stale' },
    { seq: 3, rev: 5, dup: false },
  ]);
  expect(await store.feed(0, { after: 6, limit: 100 })).toMatchObject([{ id: 7, entry: { rev: 5 } }]);
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
    { version: 3, name: 'feed', state: 'pending' },
    { version: 4, name: 'accept', state: 'pending' },
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
    '3 applied',
    '4 applied',
    '9999 applied',
  ]);
});

test('a file that is no database is refused', async () => {
  const path = newPath();
  writeFileSync(path, 'not a database, by far not a database, in no way a database '.repeat(100));
  await expect(open(path)).rejects.toThrow('file is not a database');
});
