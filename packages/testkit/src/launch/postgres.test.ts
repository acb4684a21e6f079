import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { startPostgres } from './postgres.ts';
import { sharedPostgres } from './shared-postgres.ts';

const POLL_MS = 20;

async function ask(url: string, text: string): Promise<postgres.Row> {
  const sql = postgres(url, { max: 1 });
  try {
    return (await sql.unsafe(text))[0]!;
  } finally {
    await sql.end();
  }
}

test('the server of the run gives each who asks an empty database of UTF-8', async (context) => {
  const server = await sharedPostgres();
  if ('reason' in server) return context.skip(server.reason);
  const [one, other] = [await server.createDatabase(), await server.createDatabase()];
  await ask(one, 'create table only_here ()');
  expect(await ask(other, "select count(*)::int from information_schema.tables where table_schema = 'public'")).toEqual({ count: 0 });
  expect(await ask(other, 'show server_encoding')).toEqual({ server_encoding: 'UTF8' });
});

test('it writes as safely as one that initdb made, unless it is told otherwise', async (context) => {
  const server = await startPostgres({ settings: { wal_level: 'logical' } });
  if ('reason' in server) return context.skip(server.reason);
  expect(await ask(server.url, 'show fsync')).toEqual({ fsync: 'on' });
  expect(await ask(server.url, 'show synchronous_commit')).toEqual({ synchronous_commit: 'on' });
  expect(await ask(server.url, 'show wal_level')).toEqual({ wal_level: 'logical' });
  const { data_directory: folder } = await ask(server.url, 'show data_directory');
  await server.remove();
  expect(existsSync(folder)).toBe(false);
});

// Goal: no server and no folder outlives its test process. Method: a process that starts one is killed without a word.
test('it is gone when who started it was killed', async (context) => {
  const here = await sharedPostgres();
  if ('reason' in here) return context.skip(here.reason);
  const code = `const { startPostgres } = await import(${JSON.stringify(join(import.meta.dirname, 'postgres.ts'))});
    console.log((await startPostgres()).url);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [url] = await once(createInterface({ input: owner.stdout }), 'line');
  const { data_directory: folder } = await ask(url, 'show data_directory');
  owner.kill('SIGKILL');
  while (existsSync(folder)) await setTimeout(POLL_MS);
  await expect(ask(url, 'select 1')).rejects.toThrow('ECONNREFUSED');
});
