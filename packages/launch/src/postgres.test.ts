import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { findPostgres, type RunningPostgres, startPostgres } from './postgres.ts';

const POLL_MS = 20;

async function ask(url: string, text: string): Promise<postgres.Row> {
  const sql = postgres(url, { max: 1 });
  try {
    return (await sql.unsafe(text))[0]!;
  } finally {
    await sql.end();
  }
}

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
  const here = await findPostgres();
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

// Goal: a failover can be played. Method: the primary is killed while each commit waits for the standby; what was committed is read there.
test('a standby has what its primary committed, and takes its place', async (context) => {
  const primary = await startPostgres();
  if ('reason' in primary) return context.skip(primary.reason);
  onTestFinished(() => primary.remove());
  const standby = (await startPostgres({ primary })) as RunningPostgres;
  onTestFinished(() => standby.remove());
  await primary.query("alter system set synchronous_standby_names = '*'");
  await primary.query('select pg_reload_conf()');
  while ((await primary.query("select from pg_stat_replication where sync_state = 'sync'")).length === 0) await setTimeout(POLL_MS);
  await primary.query("create table kept as select 'written' as value");
  await primary.kill();
  await standby.query('select pg_promote()');
  expect(await standby.query('select value from kept')).toEqual([{ value: 'written' }]);
  await standby.query("insert into kept values ('after')");
});
