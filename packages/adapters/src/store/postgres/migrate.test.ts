import { expect, test } from 'vitest';
import { openPostgresStore, postgresMigrationStatus } from './index.ts';
import { migrate, readMigrations, toMigration } from './migrate.ts';
import { query, serverOf } from './server.test-util.ts';

const server = await serverOf();
const range = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i);
const known = readMigrations();
/** Of the version of the code before the newest migration. */
const older = known.slice(0, -1);

function story(title: string, run: (url: string) => Promise<void>): void {
  test(title, async (ctx) => ('reason' in server ? ctx.skip(server.reason) : run(await server.createDatabase())));
}

async function openAndUse(url: string, mid: string): Promise<void> {
  const store = await openPostgresStore({ url });
  const participants = [{ uid: 'ann', role: 'owner' as const }];
  await store.commit([{ op: 'create', cid: mid, kind: 'group', by: 'ann', at: 1, participants, createUsers: true }]);
  const [outcome] = await store.commit([{ op: 'send', cid: mid, mid, from: 'ann', at: 1, kind: 'text', body: '{}', digest: mid }]);
  expect(outcome).toMatchObject({ ok: true, seq: 1 });
  await store.close();
}

story('the status says pending before and applied after, and changes nothing', async (url) => {
  const pending = known.map(({ version, name }) => ({ version, name, state: 'pending' }));
  expect(await postgresMigrationStatus(url)).toEqual(pending);
  expect(await postgresMigrationStatus(url)).toEqual(pending);
  await migrate(url);
  const status = await postgresMigrationStatus(url);
  expect(status).toEqual(pending.map((migration) => ({ ...migration, state: 'applied', appliedAt: expect.any(Number) })));
  await openAndUse(url, 'm1');
  expect(await postgresMigrationStatus(url)).toEqual(status);
});

story('many that migrate at once do it once', async (url) => {
  await Promise.all(range(8).map(() => migrate(url)));
  expect((await postgresMigrationStatus(url)).map(({ version, state }) => `${version} ${state}`)).toEqual(
    known.map(({ version }) => `${version} applied`),
  );
});

story('a database of the schema before lives on, its log from the first row', async (url) => {
  await migrate(url, older);
  await query(
    url,
    `SELECT commit_changes('[{"op": "create", "cid": "c1", "by": "ann", "at": 1, "kind": "group", "users": ["ann"],
    "roles": ["owner"], "createUsers": true, "payload": "{\\"kind\\": \\"group\\", \\"users\\": [\\"ann\\"]}"}]')`,
  );
  const store = await openPostgresStore({ url });
  expect(await store.conversation('c1')).toMatchObject({ kind: 'group', participantCount: 1 });
  const parts = await Promise.all(range(store.parts, 0).map((part) => store.feed(part, { after: 0, limit: 10 })));
  expect(parts.flat().map(({ entry }) => entry)).toMatchObject([{ cid: 'c1', rev: 0, detail: { op: 'created', users: ['ann'] } }]);
  await store.close();
});

story('an older node goes on, and starts, on a newer schema that it works on', async (url) => {
  await migrate(url, older);
  await migrate(url);
  await migrate(url, older);
  expect((await postgresMigrationStatus(url)).every(({ state }) => state === 'applied')).toBe(true);
  await query(url, `INSERT INTO migration VALUES (9999, 'of_the_future', 'x', 0, ${known.at(-1)!.version})`);
  await openAndUse(url, 'm1');
  await migrate(url, known.slice(0, -1)).then(
    () => expect.unreachable(),
    (error: Error) => expect(error.message).toContain('9999 (of_the_future)'),
  );
});

// Its functions are still there, and do what they did: a send moves its sender's read position.
story('an older node sends as ever, and is told `stale` where an accept log gives the numbers', async (url) => {
  const store = await openPostgresStore({ url });
  const participants = [{ uid: 'ann', role: 'owner' as const }];
  await store.commit([{ op: 'create', cid: 'c1', kind: 'group', by: 'ann', at: 1, participants, createUsers: true }]);
  const rest = (mid: string) => `'{${mid}}', '{ann}', '{2}', '{text}', '{"{}"}', '{NULL}', '{digest}', '{0}', '{-1}', '{NULL}'`;
  const positions = "'{2}', '{1}', '{c1}', '{ann}', '{phone}', '{9}'";
  const codes = async (call: string) => (await query(url, `SELECT codes::text FROM ${call}`))[0]!.codes;
  const sendAll = async (mid: string) => [
    await codes(`commit_few('{c1}', '{1}', ${rest(`${mid}1`)}, '{1}')`),
    await codes(`commit_messages('{c1}', '{1}', '{1}', '{c1}', ${rest(`${mid}2`)}, ${positions})`),
    await codes(`commit_messages_singly('{c1}', '{1}', '{1}', '{c1}', ${rest(`${mid}3`)}, ${positions})`),
  ];
  expect(await sendAll('a')).toEqual(['{0}', '{0}', '{0}']);
  expect(await store.positions('c1')).toEqual([{ uid: 'ann', lastRead: 3, delivered: 3 }]);

  await store.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: 1, state: 'open' });
  await store.commit([{ op: 'open', cid: 'c1', epoch: 1, opening: 1, window: 10 }]);
  expect(await sendAll('b')).toEqual(['{5}', '{5}', '{5}']);
  const [changed] = await query(
    url,
    `SELECT commit_changes('[{"op": "settings", "cid": "c1", "by": "ann", "at": 1, "title": "x", "payload": "{}"}]') AS made`,
  );
  expect(changed!.made).toMatchObject([{ code: 'stale' }]);
  expect(await store.conversation('c1')).toMatchObject({ head: 3, rev: 3 });
  await store.close();
});

story('a schema on which this code does not work is refused', async (url) => {
  await migrate(url);
  const newest = known.at(-1)!.version;
  await query(url, `INSERT INTO migration VALUES (9999, 'of_the_future', 'x', 0, ${newest + 1})`);
  await expect(openPostgresStore({ url })).rejects.toThrow(
    `the database has migration 9999 (of_the_future), on which Gapless works from schema ${newest + 1} on; this version is of schema ${newest}`,
  );
});

story('a migration that is not the one that was applied is refused', async (url) => {
  await migrate(url);
  await query(url, "UPDATE migration SET checksum = 'x' || checksum WHERE version = 1");
  await expect(openPostgresStore({ url })).rejects.toThrow('migration 1 (init) is not the one that was applied to the database');
  await query(url, 'UPDATE migration SET checksum = substr(checksum, 2) WHERE version = 1');
  await openAndUse(url, 'm1');
});

story('a migration that fails leaves the schema as it was', async (url) => {
  const broken = toMigration('9999_broken.sql', '-- compatible-from 1\nCREATE TABLE half (id int); SELECT 1 / 0');
  await expect(migrate(url, [...known, broken])).rejects.toThrow('division by zero');
  expect(await query(url, "SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);
  await openAndUse(url, 'm1');
});

test('a database that cannot be reached is no store', async () => {
  await expect(openPostgresStore({ url: 'postgres://nobody@127.0.0.1:1/nothing' })).rejects.toThrow('ECONNREFUSED');
  await expect(openPostgresStore({ url: 'not a url' })).rejects.toThrow('the url of Postgres is postgres://');
});
