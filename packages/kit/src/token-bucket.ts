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

  /** Takes one token and returns 0, or returns the milliseconds until one is there. */
  take(nowMs: number): number {
    if (nowMs > this.#at) {
      this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#at) / 1000) * this.#perSec);
      this.#at = nowMs;
    }
    if (this.#tokens >= 1) {
      this.#tokens--;
      return 0;
    }
    return Math.ceil(((1 - this.#tokens) / this.#perSec) * 1000);
  }
}
