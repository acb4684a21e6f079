/** Values below this have a bucket each, above it a power of two has half as many: at most 1.6 % off. */
const LINEAR = 128;
const STEPS = LINEAR / 2;
const BUCKETS = STEPS * 27;

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A histogram of microseconds. Recording is two array accesses, as it is done hundreds of thousands of times a second. */
export class Latencies {
  readonly buckets: Float64Array<ArrayBuffer> = new Float64Array(BUCKETS);
  maxUs = 0;

  record(us: number): void {
    const value = us < 0 ? 0 : us | 0;
    const shift = value < LINEAR ? 0 : 25 - Math.clz32(value);
    this.buckets[shift * STEPS + (value >>> shift)]! += 1;
    if (value > this.maxUs) this.maxUs = value;
  }

  add({ buckets, maxUs }: { buckets: Float64Array; maxUs: number }): void {
    for (let i = 0; i < BUCKETS; i++) this.buckets[i]! += buckets[i]!;
    this.maxUs = Math.max(this.maxUs, maxUs);
  }

  /** In milliseconds; absent when nothing was recorded. */
  percentiles(): Percentiles | undefined {
    const count = this.buckets.reduce((sum, n) => sum + n, 0);
    if (count === 0) return undefined;
    return { count, p50: this.#ms(count * 0.5), p99: this.#ms(count * 0.99), max: this.maxUs / 1_000 };
  }

  #ms(rank: number): number {
    let seen = 0;
    const bucket = this.buckets.findIndex((n) => (seen += n) >= rank);
    if (bucket < LINEAR) return bucket / 1_000;
    const shift = Math.floor(bucket / STEPS) - 1;
    // The upper end: never better than it was.
    return Math.min(this.maxUs, (bucket - shift * STEPS + 1) * 2 ** shift) / 1_000;
  }
}
