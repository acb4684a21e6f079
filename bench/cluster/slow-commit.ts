import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningPostgres, startPostgres } from '@gapless/testkit';
import postgres from 'postgres';
import type { Ends } from './ends.ts';
import { here } from './services.ts';

const POLL_MS = 20;
const COMMITS = 20;

export interface SlowPostgres {
  readonly database: RunningPostgres;
  /** What a commit really took on an idle server, median. */
  readonly commitMs: number;
}

/**
 * A Postgres of which each commit takes so much longer, once, whatever is in it, and however many commit at a time: it waits for a standby
 * that applies each commit that much later. Locks are held meanwhile, as with a slow disk; nothing else is slower. Server settings alone
 * cannot do it: `commit_delay` ends at 100 ms, needs other commits at the same moment, and is skipped without.
 */
export async function slowPostgres(delayMs: number, ends: Ends): Promise<SlowPostgres> {
  const database = await postgresOf({ settings: { synchronous_commit: 'remote_apply' } }, ends);
  await postgresOf({ primary: database, settings: { recovery_min_apply_delay: `${delayMs}ms` } }, ends);
  await database.query("alter system set synchronous_standby_names = '*'");
  await database.query('select pg_reload_conf()');
  while ((await database.query("select from pg_stat_replication where sync_state = 'sync'")).length === 0) await sleep(POLL_MS);
  return { database, commitMs: await commitMs(database) };
}

async function postgresOf(options: Parameters<typeof startPostgres>[0], ends: Ends): Promise<RunningPostgres> {
  return ends.add(here('PostgreSQL', await startPostgres(options)), (service) => service.remove());
}

async function commitMs(database: RunningPostgres): Promise<number> {
  const sql = postgres(await database.createDatabase(), { max: 1, onnotice() {} });
  try {
    await sql`create table commits (n int)`;
    const taken: number[] = [];
    for (let n = 0; n < COMMITS; n++) {
      const startedAt = performance.now();
      await sql`insert into commits values (${n})`;
      taken.push(performance.now() - startedAt);
    }
    return taken.toSorted((a, b) => a - b)[COMMITS >> 1]!;
  } finally {
    await sql.end();
  }
}
