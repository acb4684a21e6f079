import type { Step } from './world.ts';

/** What users accept: half of the messages and all but one in a hundred arrive within these. */
export const SLO = { p50Ms: 150, p99Ms: 800 } as const;

/** Who is that much later in the last second than in the first has a backlog that grows: the rate holds for as long as a step, no longer. */
const GROWTH_MAX = 1.5;
/** Below this one second differs from another by chance. */
const GROWTH_FROM_MS = 20;

export function holds(step: Pick<Step, 'complete' | 'e2e' | 'firstSec' | 'lastSec'>): boolean {
  const { complete, e2e } = step;
  return complete && e2e !== undefined && e2e.p50 <= SLO.p50Ms && e2e.p99 <= SLO.p99Ms && !growsLate(step);
}

/** By the medians. */
export function growsLate({ firstSec, lastSec }: Pick<Step, 'firstSec' | 'lastSec'>): boolean {
  if (firstSec === undefined || lastSec === undefined) return false;
  return lastSec.p50 > GROWTH_FROM_MS && lastSec.p50 > GROWTH_MAX * firstSec.p50;
}

export interface SearchOptions {
  readonly fromPerSec: number;
  /** The rate found and one that failed are not further apart than this. */
  readonly factor: number;
  readonly attempt: (ratePerSec: number) => Promise<Step>;
}

export interface Found {
  /** At the highest rate that held; absent when not even the first did. */
  readonly best: Step | undefined;
  readonly steps: readonly Step[];
}

/**
 * Doubles the rate until it fails (or, when the first fails, halves it until one holds), then halves the interval. One failure may be
 * the machine's: a rate has two attempts.
 */
export async function search({ fromPerSec, factor, attempt }: SearchOptions): Promise<Found> {
  const steps: Step[] = [];
  const held = async (ratePerSec: number): Promise<Step | undefined> => {
    for (let tries = 0; tries < 2; tries++) {
      const step = await attempt(ratePerSec);
      steps.push(step);
      if (holds(step)) return step;
      // Far behind: a second attempt would not change that.
      if (step.halted) return undefined;
    }
    return undefined;
  };
  let best: Step | undefined;
  let failed = Number.POSITIVE_INFINITY;
  for (let next = fromPerSec; next >= 1; next = between(best?.ratePerSec ?? 0, failed)) {
    const step = await held(next);
    if (step === undefined) failed = next;
    else best = step;
    if (best !== undefined && failed / best.ratePerSec <= factor) break;
    if (failed <= 1) break;
  }
  return { best, steps };
}

/** The next rate to try: whole messages from 1 on. */
function between(held: number, failed: number): number {
  return failed === Number.POSITIVE_INFINITY ? held * 2 : Math.max(1, Math.round((held + failed) / 2));
}
