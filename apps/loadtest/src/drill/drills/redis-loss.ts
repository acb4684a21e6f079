import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningPostgres, type RunningService, tellRedis } from '@gapless/launch';
import type { Drill } from '../drill.ts';
import { atWork } from '../means/progress.ts';
import { until } from '../means/until.ts';
import { missing, openPostgres, openRedis } from '../services.ts';
import { perform, type Scene, type Stage } from '../stage.ts';
import { HEARD_MS } from './outage.ts';

const NODES = 3;
const FLUSHES = 3;
/** What is accepted meanwhile is not in the snapshot; it is also the least time between two flushes. */
const AFTER_SNAPSHOT_MS = 5_000;
/** The conversations of an epoch that is over are the store's again well before that. */
const SETTLED_MS = 30_000;
const SETTLED = 'gapless_accept_settled_total';
/** Says of which moment the data of Redis is. */
const MARK = 'drill:mark';
/** So much is accepted and cannot be saved when both are lost. */
const BACKLOG_MS = 2_000;
const LOST_NODE = 1;
/** The others settle without it. */
const DEAD_MS = 5_000;

export const redisFlush = redisLoss({
  name: 'redis-flush',
  what: `Everything in Redis is deleted (FLUSHALL) ${FLUSHES} times under load: what was accepted is saved all the same.`,
  async fault(stage, { redis }) {
    const { cluster, log, healed, broken } = stage;
    for (let n = 1; n <= FLUSHES; n++) {
      // Until a new epoch begins nothing is accepted, and Redis has nothing to lose.
      await atWork(stage, 'accepted');
      log(`flush ${n} of ${FLUSHES}`);
      const before = await cluster.metric(SETTLED);
      await tellRedis(redis.port, 'FLUSHALL', '+OK');
      await sleep(AFTER_SNAPSHOT_MS);
      const settled = await until(async () => (await cluster.metric(SETTLED)) > before, SETTLED_MS);
      if (!settled) broken(`after flush ${n} no conversation came back into the store: the drill shows nothing`);
    }
    healed();
  },
});

export const redisOldSnapshot = redisLoss({
  name: 'redis-old-snapshot',
  what: 'Redis is killed and comes back as it was some seconds before: no number is given twice, and what was accepted is saved all the same.',
  async fault({ log, healed, broken }, { redis }) {
    await tellRedis(redis.port, `SET ${MARK} old`, '+OK');
    await tellRedis(redis.port, 'SAVE', '+OK');
    await tellRedis(redis.port, `SET ${MARK} new`, '+OK');
    await sleep(AFTER_SNAPSHOT_MS);
    log(`Redis is killed and starts with what it had ${AFTER_SNAPSHOT_MS / 1_000} s ago`);
    await redis.kill();
    await redis.start();
    await tellRedis(redis.port, `GET ${MARK}`, 'old').catch((error: Error) =>
      broken(`Redis did not come back with its old data (${error.message}): the drill shows nothing`),
    );
    healed();
  },
});

export const redisAndNode = redisLoss({
  name: 'redis-and-node',
  what: 'While the database stands still, Redis is emptied and a node killed: only what that node alone knew may be lost, and senders are told.',
  mayLoseAccepted: ({ urls }) => [urls[LOST_NODE]!],
  async fault({ cluster, crowd: { acks }, log, healed, note, broken }, { redis, postgres }) {
    log('PostgreSQL stands still');
    postgres.pause();
    await sleep(HEARD_MS);
    const before = acks.counts.saved;
    await sleep(BACKLOG_MS);
    const [saved, unsaved] = [acks.counts.saved - before, acks.unsaved];
    if (saved > 0) broken(`${saved} sends were acked as saved while PostgreSQL stood still`);
    if (unsaved === 0) broken('nothing waited to be saved: the drill shows nothing');
    note(`${unsaved} messages were accepted and not saved when Redis and node ${LOST_NODE} were lost`);
    log(`node ${LOST_NODE} is killed, and Redis emptied`);
    await Promise.all([cluster.nodes[LOST_NODE]!.kill(), tellRedis(redis.port, 'FLUSHALL', '+OK')]);
    postgres.resume();
    await sleep(DEAD_MS);
    await cluster.nodes[LOST_NODE]!.start();
    healed();
  },
});

interface Servers {
  readonly redis: RunningService;
  readonly postgres: RunningPostgres;
}

interface Loss extends Pick<Drill, 'name' | 'what'>, Pick<Scene, 'mayLoseAccepted'> {
  fault(stage: Stage, servers: Servers): Promise<void>;
}

/** Without two-phase acks Redis has nothing that could be lost. */
function redisLoss({ name, what, fault, ...scene }: Loss): Drill {
  return {
    name,
    what,
    missing: async ({ twoPhase }) => (twoPhase === 'off' ? 'it takes --two-phase on' : missing('postgres', 'redis')),
    async run(context) {
      const postgres = await openPostgres(context);
      const redis = await openRedis(context);
      return perform(context, {
        cluster: { nodes: NODES, store: await postgres.createDatabase(), broker: redis.url },
        fault: (stage) => fault(stage, { redis, postgres }),
        ...scene,
      });
    },
  };
}
