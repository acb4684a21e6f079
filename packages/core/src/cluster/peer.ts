/** Numbers asked for in one go; a node that is further behind reads the store. */
const MISSING_MAX = 2_000;

/** What one other node announced, as far as it arrived here. */
export class Peer {
  readonly node: string;
  seenAt: number;
  /** How often the missing ones were asked for since the last one came, and when. */
  asked = 0;
  askedAt = Number.NEGATIVE_INFINITY;
  #last: number;
  readonly #missing = new Set<number>();

  /** `last`: the number of the last one that need not arrive here. */
  constructor(node: string, { last, now }: { last: number; now: number }) {
    this.node = node;
    this.#last = last;
    this.seenAt = now;
  }

  get missing(): ReadonlySet<number> {
    return this.#missing;
  }

  /** The node has announced everything up to `n`. Returns how many of those are now found to be missing. */
  saw(n: number): number {
    const found = Math.max(0, n - this.#last);
    for (let i = Math.max(this.#last, n - MISSING_MAX) + 1; i <= n; i++) this.#missing.add(i);
    this.#last = Math.max(this.#last, n);
    return found;
  }

  /** Too many went missing to be asked for one by one. */
  get isTooFarBehind(): boolean {
    return this.#missing.size >= MISSING_MAX;
  }

  /** A numbered one arrived. False: it was here before. */
  take(n: number): boolean {
    if (this.#missing.delete(n)) {
      this.asked = 0;
      return true;
    }
    if (n <= this.#last) return false;
    this.#last = n;
    return true;
  }

  forgetMissing(): void {
    this.#missing.clear();
    this.asked = 0;
  }

  forget(numbers: readonly number[]): void {
    for (const n of numbers) this.#missing.delete(n);
  }
}
