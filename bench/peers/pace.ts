/** How long everything takes. `--quick` is for trying the bench itself: its figures mean little. */
export interface Pace {
  readonly warmUpSec: number;
  /** Of a step of a search. */
  readonly stepSec: number;
  readonly stepWarmUpSec: number;
  readonly lowRateSec: number;
  readonly pairsSec: number;
  readonly factor: number;
}

export const FULL: Pace = { warmUpSec: 5, stepSec: 7, stepWarmUpSec: 1.5, lowRateSec: 10, pairsSec: 20, factor: 1.1 };
export const QUICK: Pace = { warmUpSec: 2, stepSec: 3, stepWarmUpSec: 1, lowRateSec: 3, pairsSec: 5, factor: 1.35 };

/** `hopelessSec`: further behind than this nobody catches up within the SLO. */
export const LIMITS = { hopelessSec: 2, drainSec: 15 };
