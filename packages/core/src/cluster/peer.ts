/** Numbers that are asked for one by one; a node that is further behind reads the store. */
const MISSING_MAX = 2_000;

/** Numbers in one request: the answer must not hold up what is said meanwhile. */
const ASK_MAX = 200;

/** Without an answer for so long, it is asked again; and after so many times given up. */
const ANSWER_MS = 500;
const TRIES_MAX = 8;

/** What one other node announced, as far as it arrived here. */
export class Peer {
  readonly node: string;
  seenAt: number;
  /** It said goodbye, or was silent for long. It is remembered: it may be back, and go on where it was. */
  isGone = false;
  #last: number;
  readonly #missing = new Set<number>();
  /** Of the missing ones, those that were asked for. */
  #asked = new Set<number>();
  #askedAt = Number.NEGATIVE_INFINITY;
  #tries = 0;

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
      this.#asked.delete(n);
      this.#tries = 0;
      return true;
    }
    if (n <= this.#last) return false;
    this.#last = n;
    return true;
  }

  /** What is to be asked for now: nothing while answers come, `given-up` when none came however often it was asked. */
  ask(now: number): readonly number[] | 'given-up' {
    const answered = this.#asked.size === 0;
    if (this.#missing.size === 0 || (!answered && now - this.#askedAt < ANSWER_MS)) return [];
    if (!answered && ++this.#tries >= TRIES_MAX) return 'given-up';
    this.#asked = new Set([...this.#missing].slice(0, ASK_MAX));
    this.#askedAt = now;
    return [...this.#asked];
  }

  forgetMissing(): void {
    this.forget([...this.#missing]);
    this.#tries = 0;
  }

  forget(numbers: readonly number[]): void {
    for (const n of numbers) {
      this.#missing.delete(n);
      this.#asked.delete(n);
    }
  }
}
