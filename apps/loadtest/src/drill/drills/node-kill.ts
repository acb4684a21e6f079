import { setTimeout as sleep } from 'node:timers/promises';
import type { Drill } from '../drill.ts';
import { missing, openPostgres, openRedis } from '../services.ts';
import { perform } from '../stage.ts';

const NODES = 3;
/** Clients of a dead node are elsewhere after their first or second try; and others notice that it is gone. */
const DEAD_MS = 2_000;
const BACK_MS = 30_000;

export const nodeKill: Drill = {
  name: 'node-kill',
  what: 'Each of three nodes is killed (kill -9) and started again: its clients go on elsewhere, and nothing they were told is taken back.',
  missing: () => missing('postgres', 'redis'),
  async run(context) {
    const postgres = await openPostgres(context);
    const redis = await openRedis(context);
    return perform(context, {
      cluster: { nodes: NODES, store: await postgres.createDatabase(), broker: redis.url },
      async fault({ cluster, crowd, log, healed, broken }) {
        for (const [n, node] of cluster.nodes.entries()) {
          log(`node ${n} is killed`);
          await node.kill();
          await sleep(DEAD_MS);
          const away = await crowd.together(BACK_MS);
          if (away > 0) broken(`${away} clients found no other node within ${BACK_MS / 1_000} s`);
          await node.start();
        }
        healed();
      },
    });
  },
};
