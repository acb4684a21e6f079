import type { Drill } from '../drill.ts';
import { badNetwork } from './bad-network.ts';
import { kafkaOutage, natsOutage, redisOutage } from './broker-outage.ts';
import { clockJump } from './clock-jump.ts';
import { dbFailover } from './db-failover.ts';
import { dbOutage } from './db-outage.ts';
import { diskError } from './disk-error.ts';
import { diskFull } from './disk-full.ts';
import { fsyncError } from './fsync-error.ts';
import { nodeKill } from './node-kill.ts';
import { nodePause } from './node-pause.ts';
import { partition } from './partition.ts';
import { powerCut } from './power-cut.ts';
import { powerCutPostgres } from './power-cut-postgres.ts';
import { reconnectStorm } from './reconnect-storm.ts';
import { redisAndNode, redisFlush, redisOldSnapshot } from './redis-loss.ts';

/** All drills, in the order in which they are listed and run. */
export const DRILLS: readonly Drill[] = [
  dbOutage,
  dbFailover,
  nodeKill,
  nodePause,
  reconnectStorm,
  redisOutage,
  redisFlush,
  redisOldSnapshot,
  redisAndNode,
  natsOutage,
  kafkaOutage,
  diskFull,
  fsyncError,
  diskError,
  powerCut,
  powerCutPostgres,
  clockJump,
  badNetwork,
  partition,
];
