import type { RunningPostgres } from '@gapless/launch';
import type { Drill, DrillOptions } from '../drill.ts';
import { until } from '../means/until.ts';
import { missing, openPostgres, openRedis } from '../services.ts';
import { perform, type Stage } from '../stage.ts';
import { bringBack, type OutageAcks, takeAway } from './outage.ts';

const BACKLOG = 'gapless_accept_backlog_entries';
/** For what waited to be saved; a client waits for up to 8 s between two tries. */
const DRAIN_MS = 60_000;

export const dbOutage: Drill = {
  name: 'db-outage',
  what: 'PostgreSQL is stopped for 10 s: nothing is acked as saved that is not, and what waits is saved afterwards, once.',
  missing: () => missing('postgres', 'redis'),
  async run(context) {
    const postgres = await openPostgres(context);
    const redis = await openRedis(context);
    return perform(context, {
      cluster: { nodes: 2, store: await postgres.createDatabase(), broker: redis.url },
      fault: (stage) => doWithout(stage, postgres, context.options),
    });
  },
};

async function doWithout(stage: Stage, postgres: RunningPostgres, { twoPhase }: DrillOptions): Promise<void> {
  const { cluster, crowd, broken } = stage;
  // Each node tells that of all.
  const backlog = async () => (twoPhase === 'on' ? (await cluster.metric(BACKLOG)) / cluster.nodes.length : 0);
  const before = await backlog();
  const acks = await takeAway(stage, postgres, 'PostgreSQL');
  const saved = acks.last.saved - acks.first.saved;
  if (saved > 0) broken(`${saved} sends were acked as saved while PostgreSQL was away`);
  if (twoPhase === 'on') judgeAccepting(stage, acks, { before, after: await backlog() });
  const { backwards } = crowd.acks;
  await bringBack(stage, postgres, 'PostgreSQL');
  await until(() => crowd.acks.times().drainMs !== Number.POSITIVE_INFINITY, DRAIN_MS);
  const disordered = crowd.acks.backwards - backwards;
  if (twoPhase === 'on' && disordered > 0) broken(`${disordered} acks as saved came out of order after PostgreSQL was back`);
}

/** It went on without the database, and the metric of what waits for it tells so. */
function judgeAccepting(
  { broken, note }: Stage,
  { first, middle, last }: OutageAcks,
  { before, after }: { before: number; after: number },
): void {
  if (last.accepted === middle.accepted) broken('no send was accepted in the second half of the outage');
  if (after <= before) broken(`${BACKLOG} did not rise in the outage: ${before} before, ${after} at its end`);
  note(`while PostgreSQL was away: ${last.accepted - first.accepted} acked as accepted; backlog ${before} before, ${after} at the end`);
}
