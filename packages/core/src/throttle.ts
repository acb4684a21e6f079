import { TokenBucket } from '@gapless/kit';
import { ChatError } from './errors.ts';

/** Keys kept; the one unused longest goes first. Its bucket would mostly be full again by then. */
const KEYS_MAX = 20_000;

export interface ThrottleRule {
  /** Attempts within `windowMs`, and at once unless `burst` says another number. */
  readonly attempts: number;
  readonly windowMs: number;
  readonly burst?: number;
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
    const retryAfterMs = this.wait(key, nowMs);
    if (retryAfterMs > 0) throw new ChatError('rate_limited', { retryAfterMs });
  }

  /** Takes `cost` tokens and returns 0, or takes none and returns the milliseconds until they are there. */
  wait(key: string, nowMs: number, cost = 1): number {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      const { attempts, windowMs, burst = attempts } = this.#rule;
      bucket = new TokenBucket({ perSec: (attempts * 1000) / windowMs, burst }, nowMs);
    } else this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#keysMax) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket.take(nowMs, cost);
  }

  /** The key starts anew. */
  forget(key: string): void {
    this.#buckets.delete(key);
  }
}

/** What one sender of requests surely is: an IPv4 address, or the /64 that an IPv6 host chooses its addresses from. */
export function addressBlock(ip: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip);
  if (mapped !== null) return mapped[1]!;
  if (!ip.includes(':')) return ip;
  const [left = '', right] = ip.split('%', 1)[0]!.split('::');
  const groups = left === '' ? [] : left.split(':');
  const after = right === undefined || right === '' ? 0 : right.split(':').length;
  while (right !== undefined && groups.length < Math.min(4, 8 - after)) groups.push('0');
  if (right !== undefined && groups.length < 4) groups.push(...right.split(':'));
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
