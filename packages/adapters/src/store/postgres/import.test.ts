import { DatabaseSync } from 'node:sqlite';
import type { Command, Store } from '@gapless/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TABLE_NAMES } from '../installation.ts';
import { atHead, CIDS, EPOCH, renamed, script, UIDS } from '../sqlite/commands.test-util.ts';
import { openSqliteExport } from '../sqlite/index.ts';
import { tempDatabases } from '../sqlite/temp.test-util.ts';
import { compare } from './compare.ts';
import { copy, everything, logOf, openSqlite } from './copy.test-util.ts';
import { compareInstallations, importInstallation, TargetRefused } from './index.ts';
import { openNode, query, serverOf } from './server.test-util.ts';
import { inTransaction } from './target.ts';

// Goal: after the move nobody can tell that there was one. Method: what random commands left in SQLite is copied; every read of both stores
// must be equal, and stay so while both go on with the same commands. A failure prints its seed; SEED=… runs that one again.

const RUNS = Number(process.env.RUNS ?? 5);
// A server of its own: while a copy is open, the feed of every database on its server waits.
const server = await serverOf();
const newPath = tempDatabases();

function story(title: string, run: (newUrl: () => Promise<string>) => Promise<void>): void {
  test(title, async (ctx) => ('reason' in server ? ctx.skip(server.reason) : run(() => server.createDatabase())));
}

async function rowsIn(url: string): Promise<number> {
  const counts = TABLE_NAMES.map((table) => `(SELECT count(*) FROM ${table})`);
  const [row] = await query(url, `SELECT ${counts.join(' + ')} AS rows`);
  return Number(row!.rows);
}

story(`what ${RUNS} sets of random scripts left is equal after the copy, and goes on as it would have`, async (newUrl) => {
  const property = fc.asyncProperty(fc.array(script, { minLength: 1, maxLength: 5 }), script, async (scripts, later) => {
    const [path, url] = [newPath(), await newUrl()];
    const names = scripts.map((_, run) => `r${run}-`);
    const asked = {
      uids: names.flatMap((prefix) => UIDS.map((uid) => prefix + uid)),
      cids: names.flatMap((prefix) => CIDS.map((cid) => prefix + cid)),
    };
    const sqlite = await openSqlite(path);
    await sqlite.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: EPOCH, state: 'open' });
    for (const [run, batches] of scripts.entries())
      for (const batch of batches) await sqlite.commit(await atHead(sqlite, renamed(batch, names[run]!)));
    const before = await everything(sqlite, asked);
    await sqlite.close();

    expect(await copy(path, url)).toMatchObject({ different: 0, differences: [] });

    const stores = [await openSqlite(path), await openNode(url)] as const;
    try {
      expect(await everything(stores[1], asked)).toEqual(before);
      // Creations whose names are taken would be another matter: a server makes new ones.
      for (const batch of later.map((each) =>
        renamed(
          each.filter(({ op }) => op !== 'create'),
          names[0]!,
        ),
      )) {
        const commands = await atHead(stores[0], batch);
        expect(await stores[1].commit(commands)).toEqual(await stores[0].commit(commands));
      }
      expect(withoutIds(await everything(stores[1], asked))).toEqual(withoutIds(await everything(stores[0], asked)));
    } finally {
      await Promise.all(stores.map((store) => store.close()));
    }
  });
  const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true, ...seed });
});

story('what is open in an accept log, and what was handed in of it, moves', async (newUrl) => {
  const [path, url] = [newPath(), await newUrl()];
  const sqlite = await openSqlite(path);
  const participants = [{ uid: 'ann', role: 'owner' as const }];
  const send = (mid: string) =>
    ({ op: 'send', cid: 'c1', mid, from: 'ann', at: 1, kind: 'text', body: '{"text":"\\u0000 漢"}', digest: mid }) as const;
  await sqlite.moveAcceptState({ epoch: 0, state: 'closed' }, { epoch: 7, state: 'open' });
  await sqlite.commit([
    { op: 'create', cid: 'c1', kind: 'group', by: 'ann', at: 1, participants, createUsers: true },
    { op: 'open', cid: 'c1', epoch: 7, opening: 3, window: 50 },
    { op: 'save', cid: 'c1', epoch: 7, seq: 1, rev: 1, send: send('m1'), window: 50 },
  ]);
  await sqlite.rescue([2, 4].map((seq) => ({ epoch: 7, seq, rev: seq, node: 'n1', send: send(`m${seq}`) })));
  await sqlite.seenAccepting({ node: 'n1', epoch: 7, handedIn: true, leaseMs: 1 });
  await sqlite.seenAccepting({ node: 'n2', epoch: 7, handedIn: false, leaseMs: 3_600_000 });
  const told = async (store: Store) => ({
    state: await store.acceptState(),
    open: await store.openConversations(7, { after: '', limit: 10 }),
    rescued: await store.rescued(7, ['c1']),
    nodes: await store.acceptNodes(7),
  });
  await sqlite.close();

  expect(await copy(path, url)).toMatchObject({ different: 0, differences: [] });

  const stores = [await openSqlite(path), await openNode(url)];
  const [there, here] = await Promise.all(stores.map(told));
  await Promise.all(stores.map((store) => store.close()));
  expect(here).toEqual(there);
  expect(here).toMatchObject({ state: { epoch: 7, state: 'open' }, open: [{ cid: 'c1', head: 1, reserved: 51 }], rescued: { length: 2 } });
});

/** New rows of the log have the ids of their database; their order within each conversation is that of the changes. */
function withoutIds(all: unknown): unknown {
  return { ...(all as object), log: undefined };
}

story('people stay signed in: passwords, sign-ins and both kinds of tokens move, whatever is in the texts', async (newUrl) => {
  const [path, url] = [newPath(), await newUrl()];
  const odd = 'tab\t nul\0 one\u0001 two\u0002 back\\slash new\nline "quotes" {braces} \\N é 漢 \u{1f600}';
  const sqlite = await openSqlite(path);
  await sqlite.createAccount({ uid: 'ann', displayName: odd, passwordHash: '$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA', at: 1 });
  await sqlite.ensureUser({ uid: odd, displayName: '', at: 2 });
  const session = { uid: 'ann', createdAt: 10, lastSeenAt: 10, expiresAt: 1_000, liveMax: 10 };
  for (const sid of ['s1', 's2', 's3'])
    await sqlite.createSession({ ...session, sid, label: sid === 's1' ? '' : odd, refreshHash: `${sid}-0` });
  await sqlite.rotateSession({ refreshHash: 's2-0', nextHash: 's2-1', at: 20, expiresAt: 1_010 });
  await sqlite.revokeSession('s3', 30);
  const users = ['ann', odd].map((uid) => ({ uid, role: 'owner' as const }));
  const message = { op: 'send' as const, cid: 'c1', mid: odd, from: odd, at: 4, kind: odd, body: JSON.stringify({ odd }), digest: odd };
  await sqlite.commit([
    { op: 'create', cid: 'c1', kind: 'dm', by: 'ann', at: 3, participants: users, createUsers: false },
    { op: 'create', cid: 'c2', kind: 'group', by: odd, at: 3, participants: users, createUsers: false, title: odd },
    message,
    { op: 'settings', cid: 'c2', by: odd, at: 5, title: '' },
    { op: 'delivered', cid: 'c1', uid: 'ann', did: odd, pos: 1 },
  ]);
  const asked = { uids: ['ann', odd], cids: ['c1', 'c2'] };
  const before = await everything(sqlite, asked);
  await sqlite.close();

  expect((await copy(path, url)).different).toBe(0);

  const store = await openNode(url);
  expect(await everything(store, asked)).toEqual(before);
  expect(await store.commit([message])).toMatchObject([{ dup: true, seq: 1, at: 4 }]);
  const again = {
    op: 'create' as const,
    cid: 'c9',
    kind: 'dm' as const,
    by: odd,
    at: 9,
    participants: users.toReversed(),
    createUsers: false,
  };
  expect(await store.commit([again])).toMatchObject([{ cid: 'c1', created: false }]);
  const next = { at: 40, expiresAt: 1_040 };
  expect(await store.rotateSession({ refreshHash: 's1-0', nextHash: 's1-1', ...next })).toMatchObject({
    result: 'ok',
    session: { label: '' },
  });
  expect(await store.rotateSession({ refreshHash: 's3-0', nextHash: 's3-1', ...next })).toEqual({ result: 'unknown' });
  // Replaced before the move: a stolen token is still known for one.
  expect(await store.rotateSession({ refreshHash: 's2-0', nextHash: 's2-2', ...next })).toMatchObject({ result: 'reused' });
  await store.close();
});

const MANY = 100_000;
const MANY_CIDS = Array.from({ length: 40 }, (_, i) => `c${i}`);
let many: Promise<string> | undefined;

/** An installation with so many messages; made when first asked for, and only read. */
function manyMessages(): Promise<string> {
  many ??= (async () => {
    const path = newPath();
    const store = await openSqlite(path);
    const participants = ['ann', 'bob'].map((uid) => ({ uid, role: 'member' as const }));
    await store.commit(MANY_CIDS.map((cid) => ({ op: 'create', cid, kind: 'group', by: 'ann', at: 1, participants, createUsers: true })));
    for (let from = 0; from < MANY; from += 5_000) await store.commit(Array.from({ length: 5_000 }, (_, i) => numbered(from + i)));
    await store.close();
    return path;
  })();
  return many;
}

function numbered(i: number): Command & { op: 'send' } {
  const body = JSON.stringify({ text: `message ${i}, as long as people write them in a chat` });
  return {
    op: 'send',
    cid: MANY_CIDS[i % MANY_CIDS.length]!,
    mid: `m${i}`,
    from: i % 3 === 0 ? 'ann' : 'bob',
    at: 10 + i,
    kind: 'text',
    body,
    digest: `d${i}`,
  };
}

story(`${MANY} messages, read no further ahead than what is being written`, async (newUrl) => {
  const [path, url] = [await manyMessages(), await newUrl()];
  const source = openSqliteExport(path);
  let read = 0;
  const rows = source.rows;
  const counted = { ...source, rows: (table: Parameters<typeof rows>[0]) => counting(rows(table)) };
  function* counting<T>(all: Iterable<T>): Generator<T> {
    read = 0;
    for (const row of all) {
      read++;
      yield row;
    }
  }
  let furthest = 0;
  const onProgress = ({ doing, rows }: { doing: string; rows: number }) => {
    if (doing === 'copying') furthest = Math.max(furthest, read - rows);
  };
  const result = await importInstallation({ url, source: counted, onProgress });
  source.close();
  expect(result.different).toBe(0);
  expect(furthest).toBeLessThanOrEqual(2_000);
  expect(result.tables.find(({ table }) => table === 'message')).toEqual({ table: 'message', source: MANY, target: MANY });

  const store = await openNode(url);
  const log = await logOf(store, MANY_CIDS);
  expect(log.map(({ id }) => id)).toEqual(Array.from({ length: MANY + MANY_CIDS.length }, (_, i) => i + 1));
  const outcomes = await store.commit([numbered(MANY - 1), { ...numbered(MANY - 1), mid: 'new' }]);
  const head = MANY / MANY_CIDS.length;
  expect(outcomes).toMatchObject([
    { dup: true, seq: head, rev: head, at: 10 + MANY - 1 },
    { dup: false, seq: head + 1, rev: head + 1 },
  ]);
  expect((await logOf(store, MANY_CIDS)).at(-1)).toMatchObject({ id: MANY + MANY_CIDS.length + 1, entry: { rev: head + 1 } });
  await store.close();
});

test('Postgres is killed in the middle: nothing is there afterwards, and the next copy goes through', async (ctx) => {
  if ('reason' in server) return ctx.skip(server.reason);
  const [path, url] = [await manyMessages(), await server.createDatabase()];
  let killed: Promise<void> | undefined;
  const killOnce = ({ table }: { table: string }) => {
    if (table === 'message') killed ??= server.kill();
  };
  await expect(copy(path, url, { onProgress: killOnce })).rejects.toThrow();
  await killed;
  await server.start();
  expect(await rowsIn(url)).toBe(0);
  expect((await copy(path, url)).different).toBe(0);
  expect(await rowsIn(url)).toBeGreaterThan(2 * MANY);
});

story('while it is copied nobody can use the database', async (newUrl) => {
  const [path, url] = [await manyMessages(), await newUrl()];
  let meanwhile: Promise<unknown> | undefined;
  const askOnce = () => {
    meanwhile ??= query(url, "SET lock_timeout = '1ms'; SELECT 1 FROM conversation").catch((error: Error) => error);
  };
  await copy(path, url, { onProgress: askOnce });
  expect(await meanwhile).toMatchObject({ code: '55P03' });
});

/** A small installation, copied. */
async function copied(url: string): Promise<string> {
  const path = newPath();
  await fill(await openSqlite(path));
  await copy(path, url);
  return path;
}

async function fill(store: Store): Promise<void> {
  const participants = [{ uid: 'ann', role: 'owner' as const }];
  const cids = Array.from({ length: 30 }, (_, i) => `c${i}`);
  await store.commit(cids.map((cid) => ({ op: 'create', cid, kind: 'group', by: 'ann', at: 1, participants, createUsers: true })));
  await store.commit(
    cids.map((cid) => ({ op: 'send', cid, mid: 'm1', from: 'ann', at: 2, kind: 'text', body: '{"text":"one"}', digest: 'd1' })),
  );
  await store.close();
}

story('a target that holds anything is refused, and left as it is', async (newUrl) => {
  const url = await newUrl();
  const path = await copied(url);
  const before = await rowsIn(url);
  const refused = copy(path, url);
  await expect(refused).rejects.toThrow(TargetRefused);
  await expect(refused).rejects.toThrow('the target is not empty: there are rows in users');
  expect(await rowsIn(url)).toBe(before);
  const other = await newUrl();
  await (await openNode(other)).close();
  await query(other, "INSERT INTO consumer_cursor VALUES ('bus', 3, 17)");
  await expect(copy(path, other)).rejects.toThrow('there are rows in consumer_cursor');
});

story('a target with a server on it is refused', async (newUrl) => {
  const [path, url] = [newPath(), await newUrl()];
  await fill(await openSqlite(path));
  const store = await openNode(url);
  await store.check();
  await expect(copy(path, url)).rejects.toThrow('a server is connected to the target; stop it first');
  await store.close();
});

story('a target that is not UTF-8, not there, or without a schema to compare with, is refused', async (newUrl) => {
  const path = newPath();
  await fill(await openSqlite(path));
  await expect(copy(path, 'postgres://nobody@127.0.0.1:1/nothing')).rejects.toThrow('ECONNREFUSED');
  const url = await newUrl();
  const latin = new URL(url);
  latin.pathname += '_latin';
  await query(url, `CREATE DATABASE ${latin.pathname.slice(1)} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`);
  await expect(copy(path, latin.href)).rejects.toThrow('the encoding of the database is LATIN1; it must be UTF8');
  const source = openSqliteExport(path);
  await expect(compareInstallations({ url, source })).rejects.toThrow('the target holds no copy: migration 1 (init) was not applied');
  source.close();
});

const TAMPERED: readonly (readonly [string, string])[] = [
  ["UPDATE conversation SET head = 7 WHERE cid = 'c1'", 'conversation c1: head is 1 in the source, 7 in the target'],
  ["UPDATE conversation SET title = 'x' WHERE cid = 'c1'", 'conversation c1: title is null in the source, "x" in the target'],
  ["UPDATE message SET digest = 'other' WHERE cid = 'c2'", 'conversation c2: message: 1 rows, and not the same ones'],
  ['UPDATE message SET body = \'{"text":"two"}\' WHERE cid = \'c2\'', 'conversation c2: message: 1 rows, and not the same ones'],
  ["UPDATE participant SET last_read = 9 WHERE cid = 'c3'", 'conversation c3: participant: 1 rows, and not the same ones'],
  ["INSERT INTO delivered VALUES ('c4', 'ann', 'phone', 1)", 'conversation c4: delivered: 0 rows in the source, 1 in the target'],
  ["DELETE FROM log WHERE cid = 'c5' AND rev = 1", 'conversation c5: log: 2 rows in the source, 1 in the target'],
  ["UPDATE log SET id = 1000 WHERE cid = 'c5' AND rev = 1", 'conversation c5: log: 2 rows, and not the same ones'],
  ["DELETE FROM conversation WHERE cid = 'c6'", 'conversation c6: missing in the target'],
  ["UPDATE users SET password = 'p' WHERE uid = 'ann'", 'users: 1 rows, and not the same ones'],
  [
    "INSERT INTO message SELECT 'unknown', seq, rev, mid, sender, at, kind, body, extra, edited_at, recalled_at, digest FROM message WHERE cid = 'c1'",
    'message: 30 rows in the source, 31 in the target',
  ],
];

story('the comparison finds every kind of difference, and says where', async (newUrl) => {
  const url = await newUrl();
  const path = await copied(url);
  const source = openSqliteExport(path);
  for (const [change, told] of TAMPERED) {
    const undone = new Error('undone');
    let differences: readonly string[] = [];
    const tried = inTransaction(url, {}, async (tx) => {
      await tx.unsafe(change);
      ({ differences } = await compare(tx, { source, onProgress() {} }));
      throw undone;
    });
    await expect(tried).rejects.toBe(undone);
    expect(differences, change).toContain(told);
  }
  expect(await compareInstallations({ url, source })).toMatchObject({ different: 0 });
  await query(url, 'UPDATE conversation SET head = head + 1');
  expect(await compareInstallations({ url, source })).toMatchObject({ different: 30, differences: { length: 20 } });
  source.close();
});

story('a source that does not fit itself is not committed', async (newUrl) => {
  const [path, url] = [newPath(), await newUrl()];
  await fill(await openSqlite(path));
  const db = new DatabaseSync(path);
  db.exec(
    'INSERT INTO message SELECT 999, seq, rev, mid, sender, at, kind, body, extra, edited_at, recalled_at, digest FROM message LIMIT 1',
  );
  db.close();
  expect(await copy(path, url)).toMatchObject({ different: 1, differences: ['message: 31 rows in the source, 30 in the target'] });
  expect(await rowsIn(url)).toBe(0);
});
