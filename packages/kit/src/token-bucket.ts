/** A token bucket: `burst` tokens at most, refilled at `perSec`. Three numbers of state, no timer. */
export class TokenBucket {
  #tokens: number;
  #at: number;
  readonly #perSec: number;
  readonly #burst: number;

  constructor({ perSec, burst }: { perSec: number; burst: number }, nowMs: number) {
    this.#perSec = perSec;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = nowMs;
  }

  /** Takes `cost` tokens and returns 0, or takes none and returns the milliseconds until they are there. */
  take(nowMs: number, cost = 1): number {
    // A clock that was set back must not starve the bucket until it catches up.
    if (nowMs < this.#at) this.#at = nowMs;
    if (nowMs > this.#at) {
      this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#at) / 1000) * this.#perSec);
      this.#at = nowMs;
    }
    const needed = Math.min(cost, this.#burst);
    if (this.#tokens >= needed) {
      this.#tokens -= needed;
      return 0;
    }
    return Math.ceil(((needed - this.#tokens) / this.#perSec) * 1000);
  }
}
