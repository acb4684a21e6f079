/** Doublings are bounded: a rate 64 times the first is another machine's. */
const DOUBLINGS_MAX = 7;
/** The answer is at most this much below the truth. */
const PRECISION = 1.15;

export interface SearchStep<T> {
  /** Messages per second of all clients together. */
  readonly ratePerSec: number;
  readonly held: boolean;
  readonly outcome: T;
}

export interface SearchResult<T> {
  readonly steps: readonly SearchStep<T>[];
  /** The highest rate that held; absent when the first did not. */
  readonly bestPerSec?: number;
  /** No rate failed: the true answer is higher. */
  readonly open: boolean;
}

/** Doubles the rate until it does not hold, then bisects (by ratio) between the last that held and the first that did not. */
export async function findMax<T>(
  firstPerSec: number,
  run: (ratePerSec: number) => Promise<{ held: boolean; outcome: T }>,
): Promise<SearchResult<T>> {
  const steps: SearchStep<T>[] = [];
  const step = async (ratePerSec: number) => {
    const { held, outcome } = await run(ratePerSec);
    steps.push({ ratePerSec, held, outcome });
    return held;
  };
  let good: number | undefined;
  let bad: number | undefined;
  for (let rate = firstPerSec; steps.length < DOUBLINGS_MAX; rate *= 2) {
    if (!(await step(rate))) {
      bad = rate;
      break;
    }
    good = rate;
  }
  if (good === undefined) return { steps, open: false };
  while (bad !== undefined && bad / good > PRECISION) {
    const middle = Math.sqrt(good * bad);
    if (await step(middle)) good = middle;
    else bad = middle;
  }
  return { steps, bestPerSec: good, open: bad === undefined };
}
