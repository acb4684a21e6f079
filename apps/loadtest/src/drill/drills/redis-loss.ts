import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningPostgres, type RunningService, tellRedis } from '@gapless/launch';
import type { Drill } from '../drill.ts';
import { missing, openPostgres, openRedis } from '../services.ts';
import { perform, type Stage } from '../stage.ts';

const NODES = 3;
const FLUSHES = 3;
/** What is accepted meanwhile is not in the snapshot; it is also the time between two flushes. */
const AFTER_SNAPSHOT_MS = 5_000;
/** So much is accepted and cannot be saved when both are lost. */
const BACKLOG_MS = 2_000;
const LOST_NODE = 1;
/** The others settle without it. */
const DEAD_MS = 5_000;

export const redisFlush = redisLoss({
  name: 'redis-flush',
  what: `Everything in Redis is deleted (FLUSHALL) ${FLUSHES} times under load: what was accepted is saved, or its sender is told.`,
  async fault({ log, healed }, { redis }) {
    for (let n = 1; n <= FLUSHES; n++) {
      log(`flush ${n} of ${FLUSHES}`);
      await tellRedis(redis.port, 'FLUSHALL', '+OK');
      await sleep(AFTER_SNAPSHOT_MS);
    }
    healed();
  },
});

export const redisOldSnapshot = redisLoss({
  name: 'redis-old-snapshot',
  what: 'Redis is killed and comes back as it was some seconds before: no number is given twice, and accepted messages are saved or taken back.',
  async fault({ log, healed }, { redis }) {
    await tellRedis(redis.port, 'SAVE', '+OK');
    await sleep(AFTER_SNAPSHOT_MS);
    log(`Redis is killed and starts with what it had ${AFTER_SNAPSHOT_MS / 1_000} s ago`);
    await redis.kill();
    await redis.start();
    healed();
  },
});

export const redisAndNode = redisLoss({
  name: 'redis-and-node',
  what: 'While the database stands still, Redis is emptied and a node killed: only what that node alone knew may be lost, and senders are told.',
  async fault({ cluster, log, healed }, { redis, postgres }) {
    log('PostgreSQL stands still');
    postgres.pause();
    await sleep(BACKLOG_MS);
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

function redisLoss(plan: Pick<Drill, 'name' | 'what'> & { fault(stage: Stage, servers: Servers): Promise<void> }): Drill {
  const { name, what, fault } = plan;
  return {
    name,
    what,
    missing: () => missing('postgres', 'redis'),
    async run(context) {
      const postgres = await openPostgres(context);
      const redis = await openRedis(context);
      return perform(context, {
        cluster: { nodes: NODES, store: await postgres.createDatabase(), broker: redis.url },
        fault: (stage) => fault(stage, { redis, postgres }),
      });
    },
  };
}
