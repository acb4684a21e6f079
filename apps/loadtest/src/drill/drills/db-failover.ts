import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningPostgres } from '@gapless/launch';
import type { Drill } from '../drill.ts';
import { until } from '../means/until.ts';
import { missing, openPostgres, openRedis } from '../services.ts';
import { perform, type Stage } from '../stage.ts';

/** Whoever watches a primary takes some seconds to be sure that it is dead. */
const NOTICE_MS = 3_000;
/** From the first look of a standby at its primary; seconds, on a busy machine. */
const FOLLOWS_MS = 60_000;

export const dbFailover: Drill = {
  name: 'db-failover',
  what: 'The primary of two PostgreSQL servers is killed, and its synchronous standby takes over: it has all that was acked.',
  missing: () => missing('postgres', 'redis'),
  async run(context) {
    const primary = await openPostgres(context);
    const standby = await openPostgres(context, { primary });
    await waitForStandby(primary);
    const redis = await openRedis(context);
    const database = new URL(await primary.createDatabase());
    return perform(context, {
      cluster: { nodes: 2, store: both(database, standby), broker: redis.url },
      fault: (stage) => failOver(stage, primary, standby),
    });
  },
};

/** From here on a commit is one when both have it. */
async function waitForStandby(primary: RunningPostgres): Promise<void> {
  await primary.query("alter system set synchronous_standby_names = '*'");
  await primary.query('select pg_reload_conf()');
  const follows = async () => (await primary.query("select from pg_stat_replication where sync_state = 'sync'")).length > 0;
  if (!(await until(follows, FOLLOWS_MS))) throw new Error(`the standby does not follow its primary after ${FOLLOWS_MS / 1_000} s`);
}

/** The url of a database, with both servers in it. */
function both(database: URL, standby: RunningPostgres): string {
  return `postgres://${database.username}@${database.host},127.0.0.1:${standby.port}${database.pathname}`;
}

/** The old primary never comes back: two would take writes. */
async function failOver(stage: Stage, primary: RunningPostgres, standby: RunningPostgres): Promise<void> {
  stage.log('the primary is killed');
  await primary.kill();
  await sleep(NOTICE_MS);
  // Else it would wait for a standby of its own.
  await standby.query("alter system set synchronous_standby_names = ''");
  await standby.query('select pg_promote()');
  stage.healed();
  stage.log('the standby has taken over');
}
