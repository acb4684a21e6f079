import type { Drill } from '../drill.ts';
import { missing, openPostgres, openRedis } from '../services.ts';
import { perform } from '../stage.ts';
import { outage } from './outage.ts';

export const dbOutage: Drill = {
  name: 'db-outage',
  what: 'PostgreSQL is stopped for 10 s: nothing is acked as saved that is not, and what waits is saved afterwards, once.',
  missing: () => missing('postgres', 'redis'),
  async run(context) {
    const postgres = await openPostgres(context);
    const redis = await openRedis(context);
    return perform(context, {
      cluster: { nodes: 2, store: await postgres.createDatabase(), broker: redis.url },
      fault: (stage) => outage(stage, postgres, 'PostgreSQL'),
    });
  },
};
