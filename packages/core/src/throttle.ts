import { TokenBucket } from '@gapless/kit';
import { ChatError } from './errors.ts';

/** Keys kept; the one unused longest goes first. Its bucket would mostly be full again by then. */
const KEYS_MAX = 20_000;

export interface ThrottleRule {
  /** Attempts at once, and again within `windowMs`. */
  readonly attempts: number;
  readonly windowMs: number;
}

/** Token buckets by key, in bounded memory. */
export class Throttle {
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #rule: ThrottleRule;
  readonly #keysMax: number;

  constructor(rule: ThrottleRule, keysMax = KEYS_MAX) {
    this.#rule = rule;
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** @throws ChatError rate_limited */
  take(key: string, nowMs: number): void {
    const { attempts, windowMs } = this.#rule;
    const bucket = this.#buckets.get(key) ?? new TokenBucket({ perSec: (attempts * 1000) / windowMs, burst: attempts }, nowMs);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#keysMax) this.#buckets.delete(this.#buckets.keys().next().value!);
    const retryAfterMs = bucket.take(nowMs);
    if (retryAfterMs > 0) throw new ChatError('rate_limited', { retryAfterMs });
  }
}
