/** Values up to this are kept one by one; above it, each doubling is cut into half as many steps: three significant figures. */
const STEPS = 2_048;
const HALF = STEPS / 2;
/** Of a value: 71 minutes in microseconds. Larger ones count as this. */
const BITS = 32;
const LARGEST = 2 ** BITS - 1;
/** Bits of a value below `STEPS`. */
const STEP_BITS = 11;

/** A histogram of whole numbers with a relative error below 0.1 %, in bounded memory; recording costs some nanoseconds. */
export class Hdr {
  readonly #counts = new Float64Array((BITS - STEP_BITS + 2) * HALF);
  count = 0;
  max = 0;

  record(value: number): void {
    const whole = value < 1 ? 1 : value > LARGEST ? LARGEST : Math.floor(value);
    this.#counts[slotOf(whole)]!++;
    this.count++;
    if (whole > this.max) this.max = whole;
  }

  /** The value that `percent` of all do not exceed; 0 when there is none. */
  percentile(percent: number): number {
    const wanted = Math.max(1, Math.ceil((percent / 100) * this.count));
    let seen = 0;
    for (let slot = 0; slot < this.#counts.length; slot++) {
      seen += this.#counts[slot]!;
      if (seen >= wanted) return Math.min(largestOf(slot), this.max);
    }
    return this.max;
  }

  add(other: HdrData): void {
    for (let at = 0; at < other.pairs.length; at += 2) this.#counts[other.pairs[at]!]! += other.pairs[at + 1]!;
    this.count += other.count;
    this.max = Math.max(this.max, other.max);
  }

  /** What another thread can `add`. */
  data(): HdrData {
    const pairs: number[] = [];
    for (const [, count, slot] of this.#filled()) pairs.push(slot, count);
    return { count: this.count, max: this.max, pairs };
  }

  clear(): void {
    this.#counts.fill(0);
    this.count = 0;
    this.max = 0;
  }

  /** Counts in steps that grow by a quarter, for a picture: upper edge and count. */
  bars(): [upTo: number, count: number][] {
    const bars: [number, number][] = [];
    let edge = 1;
    for (const [value, count] of this.#filled()) {
      while (edge < value) edge *= 1.25;
      const last = bars.at(-1);
      if (last !== undefined && last[0] === edge) last[1] += count;
      else bars.push([edge, count]);
    }
    return bars;
  }

  *#filled(): Generator<[value: number, count: number, slot: number]> {
    for (let slot = 0; slot < this.#counts.length; slot++) if (this.#counts[slot]! > 0) yield [largestOf(slot), this.#counts[slot]!, slot];
  }
}

export interface HdrData {
  readonly count: number;
  readonly max: number;
  /** Slot and count, slot and count. */
  readonly pairs: readonly number[];
}

function slotOf(value: number): number {
  const shift = BITS - STEP_BITS - Math.clz32(value);
  return shift <= 0 ? value : shift * HALF + (value >>> shift);
}

/** The largest value of a slot. */
function largestOf(slot: number): number {
  const shift = slot < STEPS ? 0 : Math.floor(slot / HALF) - 1;
  return shift === 0 ? slot : (slot - shift * HALF + 1) * 2 ** shift - 1;
}
