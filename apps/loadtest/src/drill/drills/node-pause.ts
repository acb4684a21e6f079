import { setTimeout as sleep } from 'node:timers/promises';
import type { Drill } from '../drill.ts';
import { missing, openPostgres, openRedis } from '../services.ts';
import { perform } from '../stage.ts';

const NODES = 3;
const PAUSED = 1;
const PAUSE_MS = 60_000;
/** The longest lease of the product is 45 s; a pause must be longer, so that others have taken over by its end. */
const PAUSE_MIN_MS = 46_000;

export const nodePause: Drill = {
  name: 'node-pause',
  what: 'A node stands still (SIGSTOP) for longer than every lease, and goes on as if nothing had been: it may give no number twice.',
  missing: () => missing('postgres', 'redis'),
  async run(context) {
    const pauseMs = Math.max(PAUSE_MIN_MS, Math.min(PAUSE_MS, context.options.durationSec * 3_000));
    const postgres = await openPostgres(context);
    const redis = await openRedis(context);
    return perform(context, {
      cluster: { nodes: NODES, store: await postgres.createDatabase(), broker: redis.url },
      async fault({ cluster, log, healed }) {
        log(`node ${PAUSED} stands still for ${pauseMs / 1_000} s`);
        cluster.nodes[PAUSED]!.pause();
        await sleep(pauseMs);
        cluster.nodes[PAUSED]!.resume();
        healed();
      },
    });
  },
};
