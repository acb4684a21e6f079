import type { Clock } from '@gapless/kit';

/** The same error again within this is counted, not logged: a database that is away fails every batch. */
const QUIET_MS = 1_000;

/** After so long the count belongs to another fault. */
const STALE_MS = 60_000;

/** Errors told apart: far more than go wrong at once. */
const KEYS_MAX = 100;

/**
 * Keeps one fault from filling the log: the first of its kind is logged at once, those of the next second are counted on the
 * one after, if there is one.
 */
export class Repeats {
  readonly #clock: Clock;
  readonly #last = new Map<string, { at: number; omitted: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many like it were left out since one was logged; undefined: leave this one out, too. */
  of(error: unknown): number | undefined {
    const key = error instanceof Error ? `${error} ${error.cause}` : String(error);
    const now = this.#clock.elapsed();
    const last = this.#last.get(key);
    if (last !== undefined && now - last.at < QUIET_MS) {
      last.omitted++;
      return undefined;
    }
    if (last === undefined && this.#last.size >= KEYS_MAX) this.#last.clear();
    this.#last.set(key, { at: now, omitted: 0 });
    return last === undefined || now - last.at > STALE_MS ? 0 : last.omitted;
  }
}
