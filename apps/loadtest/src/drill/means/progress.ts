import type { Stage } from '../stage.ts';
import { until } from './until.ts';

/** Clients wait for up to 8 s between two tries, and a server has to come up. */
const WITHIN_MS = 60_000;

/** Resolves when a message was saved, or accepted, after the call: the server is at that again, and a fault would hit it. */
export async function atWork({ crowd: { acks }, broken }: Stage, stage: 'accepted' | 'saved' = 'saved'): Promise<void> {
  const before = acks.counts[stage];
  if (!(await until(() => acks.counts[stage] > before, WITHIN_MS))) broken(`nothing was acked as ${stage} within ${WITHIN_MS / 1_000} s`);
}
