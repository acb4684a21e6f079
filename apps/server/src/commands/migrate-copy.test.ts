import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@gapless/adapters/store/sqlite';
import { HttpClient, launchServer, startPostgres, WireClient } from '@gapless/testkit';
import postgres from 'postgres';
import { afterAll, expect, test } from 'vitest';

// Goal: an installation moves from SQLite to Postgres, and its people notice nothing. Method: the real program, before and after.

const MAIN = join(import.meta.dirname, '../main.ts');
// A server of its own: while a copy is open, the feed of every database on its server waits.
const server = await startPostgres();
const folders: string[] = [];
afterAll(async () => {
  if (!('reason' in server)) await server.remove();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-copy-'));
  folders.push(folder);
  return folder;
}

function story(title: string, run: (url: string) => Promise<void>): void {
  test(title, async (ctx) => ('reason' in server ? ctx.skip(server.reason) : run(await server.createDatabase())));
}

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN, 'migrate', 'copy', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  return { child, ended: new Promise((resolve) => child.once('close', (status) => resolve({ status, out, err }))) };
}

const copy = (...args: string[]): Promise<Ended> => start(args).ended;

async function ask(url: string, text: string): Promise<Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice() {} });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const say = (n: number) => ({ mid: `m${n}`, kind: 'text', body: { text: `message ${n}` } });

story('after the copy a server on Postgres goes on where the one on SQLite ended', async (url) => {
  const dataDir = temporary();
  const old = await launchServer({ dataDir });
  const account = { username: 'ada', password: 'a long password' };
  const { body: signedIn } = await new HttpClient(old.url).call('POST', '/v1/auth/register', account);
  await new HttpClient(old.url).call('POST', '/v1/auth/register', { ...account, username: 'bob' });
  const ada = new HttpClient(old.url, signedIn.accessToken);
  const cid = await ada.create('dm', ['bob']);
  const first = await ada.call('POST', `/v1/conversations/${cid}/messages`, say(1));
  for (const n of [2, 3]) await ada.call('POST', `/v1/conversations/${cid}/messages`, say(n));
  const history = await ada.history(cid);
  const { body: list } = await ada.call('GET', '/v1/conversations');
  const inUse = await copy('--from', dataDir, '--to', url);
  expect([inUse.status, inUse.err]).toEqual([2, expect.stringMatching(/^gapless: --from: another server is running on .*\n$/)]);
  await old.stop();

  const copied = await copy('--from', dataDir, '--to', url);
  expect(copied.status).toBe(0);
  expect(copied.out).toMatch(/message +3 +3 /);
  expect(copied.out).toContain('every row is equal');
  expect(copied.out).toContain('jwt.secret');

  const now = await launchServer({ env: { GAPLESS_STORE: url } });
  const anyone = new HttpClient(now.url);
  const same = new HttpClient(now.url, signedIn.accessToken);
  expect(await same.history(cid)).toEqual(history);
  expect((await same.call('GET', '/v1/conversations')).body).toEqual(list);
  expect((await anyone.call('POST', '/v1/auth/login', account)).status).toBe(200);
  expect((await anyone.call('POST', '/v1/auth/login', { ...account, password: 'another one' })).status).toBe(401);
  const refreshed = await anyone.call('POST', '/v1/auth/refresh', { refreshToken: signedIn.refreshToken });
  expect(refreshed.status).toBe(200);
  expect(await same.call('POST', '/v1/conversations', { kind: 'dm', participants: ['bob'] })).toMatchObject({ body: { cid } });

  const wire = await WireClient.connect({ url: now.url, token: refreshed.body.accessToken, device: 'phone' });
  expect(await wire.join(cid, { rev: 1 })).toMatchObject({ head: 3, rev: 3, lastRead: 3 });
  await wire.wait('message', ({ seq }) => seq === 3);
  const again = await same.call('POST', `/v1/conversations/${cid}/messages`, say(1));
  expect(again).toMatchObject({ status: 200, body: { ...first.body, dup: true } });
  expect((await same.call('POST', `/v1/conversations/${cid}/messages`, say(4))).body).toMatchObject({ seq: 4, rev: 4 });
  await wire.wait('message', ({ seq }) => seq === 4);
  expect(wire.of('message').map(({ seq }) => seq)).toEqual([2, 3, 4]);
  await wire.close();

  const busy = await copy('--from', dataDir, '--to', url);
  expect([busy.status, busy.err]).toEqual([2, 'gapless: --to: a server is connected to the target; stop it first\n']);
  await now.stop();
  const taken = await copy('--from', dataDir, '--to', url);
  expect([taken.status, taken.err]).toEqual([2, expect.stringMatching(/^gapless: --to: the target is not empty: .*--verify-only.*\n$/)]);
  const compared = await copy('--from', join(dataDir, 'gapless.db'), '--to', url, '--verify-only');
  expect([compared.status, compared.out]).toEqual([
    1,
    expect.stringContaining(`conversation ${cid}: head is 3 in the source, 4 in the target`),
  ]);
});

story('--json and --verify-only', async (url) => {
  const dataDir = temporary();
  await (await openSqliteStore({ path: join(dataDir, 'gapless.db'), onFatal() {} })).close();
  const secret = url.replace('gapless@', 'gapless:canary@');
  const early = await copy('--from', dataDir, '--to', url, '--verify-only');
  expect([early.status, early.err]).toEqual([2, expect.stringContaining('the target holds no copy')]);
  const { status, out } = await copy('--from', dataDir, '--to', secret, '--json');
  expect(out).not.toContain('canary');
  expect([status, JSON.parse(out)]).toMatchObject([0, { ok: true, different: 0, differences: [] }]);
  const compared = await copy('--from', dataDir, '--to', secret, '--verify-only');
  expect([compared.status, compared.out]).toEqual([0, expect.stringMatching(/EQUAL: compared in .*: every row is equal\n$/)]);
});

story('in the middle of a copy no server starts; Ctrl+C leaves nothing behind, and the next copy goes through', async (url) => {
  const dataDir = temporary();
  const path = join(dataDir, 'gapless.db');
  const store = await openSqliteStore({ path, onFatal() {} });
  const participants = [{ uid: 'ann', role: 'owner' as const }];
  await store.commit([{ op: 'create', cid: 'c1', kind: 'group', by: 'ann', at: 1, participants, createUsers: true }]);
  for (let from = 0; from < 60_000; from += 5_000) {
    const numbers = Array.from({ length: 5_000 }, (_, i) => from + i);
    await store.commit(
      numbers.map((n) => ({ op: 'send', cid: 'c1', mid: `m${n}`, from: 'ann', at: 2, kind: 'text', body: '{}', digest: `d${n}` })),
    );
  }
  await store.close();
  const before = readFileSync(path);

  const { child, ended } = start(['--from', dataDir, '--to', url]);
  const inserting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'INSERT INTO message%'";
  while ((await ask(url, inserting)).length === 0) expect(child.exitCode).toBeNull();
  child.kill('SIGSTOP');
  await expect(launchServer({ env: { GAPLESS_STORE: url } })).rejects.toThrow('the server ended with 1');
  child.kill('SIGINT');
  child.kill('SIGCONT');
  expect(await ended).toEqual({ status: 130, out: '', err: expect.stringMatching(/gapless: interrupted; nothing of it was kept\n$/) });
  expect(await ask(url, 'SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM message) AS rows')).toEqual([{ rows: '0' }]);
  expect(readFileSync(path).equals(before)).toBe(true);

  expect((await copy('--from', dataDir, '--to', url)).status).toBe(0);
  expect(await ask(url, 'SELECT count(*) AS rows FROM message')).toEqual([{ rows: '60000' }]);
});
