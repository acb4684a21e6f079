import { setTimeout as sleep } from 'node:timers/promises';
import { headOf, type Stage } from '../stage.ts';

/** The slowest client has backed off to 8 s, and may need a few tries. */
const WITHIN_MS = 60_000;

const POLL_MS = 20;

/**
 * Call right after healing. Resolves when every client has all that was said until now, and an ack for what waited for one; to the times of
 * both, in words. A promise is broken where that never comes.
 */
export async function converged(stage: Stage): Promise<string> {
  stage.healed();
  const startedAt = performance.now();
  const viewsMs = await viewsEqual(stage).then(() => Math.round(performance.now() - startedAt));
  return `all views equal after ${viewsMs} ms, all that waited acked after ${await drained(stage, startedAt + WITHIN_MS)} ms`;
}

async function viewsEqual({ cluster, crowd, broken }: Stage): Promise<void> {
  const heads = new Map<string, number>();
  for (const cid of crowd.cids) heads.set(cid, await headOf(cluster, cid));
  const behind = await crowd.caughtUp(heads, WITHIN_MS);
  if (behind > 0) broken(`${behind} clients have not caught up ${WITHIN_MS / 1_000} s after healing`);
}

async function drained({ crowd, broken }: Stage, until: number): Promise<number> {
  for (;;) {
    const { drainMs } = crowd.acks.times();
    if (drainMs !== Number.POSITIVE_INFINITY) return Math.round(drainMs);
    if (performance.now() > until) {
      broken(`messages from before are not acked ${WITHIN_MS / 1_000} s after healing`);
      return drainMs;
    }
    await sleep(POLL_MS);
  }
}
