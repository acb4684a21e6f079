import type { Frame } from './frame.ts';
import type { Standings } from './standings.ts';
import type { Delivery } from './strategy.ts';
import type { Subscription } from './subscription.ts';
import { Tail, type TailLimits } from './tail.ts';

/** Frames kept behind a hole of one conversation; with more of them it is left to the store at once. */
const EARLY_MAX = 1_000;
const EARLY_MAX_CHARS = 4 * 1024 * 1024;

/** A conversation with listeners in this process. */
export class Channel {
  readonly cid: string;
  readonly subscriptions = new Set<Subscription>();
  /** Newest seq known here. */
  head = 0;
  /** Undefined until the first head is known, from the store or from a commit. */
  tail: Tail | undefined;
  /** How it reaches connections that can pull; the others are always pushed. */
  delivery: Delivery = 'push';
  /** When that was decided last. */
  decidedAt = Number.NEGATIVE_INFINITY;
  /** A notice went out lately: the next one waits for its turn. */
  noticed = false;
  /** Made when the first one asks. */
  standings: Standings | undefined;
  /** The wait for what is missing was begun. */
  waiting = false;
  /** Frames behind a hole, by rev. */
  readonly #early = new Map<number, Frame>();
  #earlyChars = 0;
  #expected = 0;
  readonly #limits: TailLimits;

  constructor(cid: string, limits: TailLimits) {
    this.cid = cid;
    this.#limits = limits;
  }

  /**
   * A commit. Behind a hole it waits for what is missing, which may still be on its way from another node; a rev that is known already is
   * ignored. True when there is something new to deliver.
   */
  publish(rev: number, frame: Frame, now: number): boolean {
    this.tail ??= new Tail(rev - 1, this.#limits);
    const { head } = this.tail;
    if (rev <= head) return false;
    if (rev > head + 1) {
      if (!this.#early.has(rev)) this.#earlyChars += frame.text.length;
      this.#early.set(rev, frame);
      this.expect(rev);
      if (this.#early.size > EARLY_MAX || this.#earlyChars > EARLY_MAX_CHARS) this.giveUp(now);
      return this.tail.head > head;
    }
    this.tail.append(rev, frame, now, this.subscriptions.size);
    this.#takeEarly(now);
    return true;
  }

  /** That rev is in the store, whether its frame comes or not. */
  expect(rev: number): void {
    this.#expected = Math.max(this.#expected, rev);
  }

  /** Whether something is known to be missing here. */
  get hasHole(): boolean {
    return this.tail !== undefined && this.#expected > this.tail.head;
  }

  /** What is missing is left to the store: listeners that are behind read it there. */
  giveUp(now: number): void {
    if (this.tail === undefined || !this.hasHole) return;
    for (const rev of [...this.#early.keys()].toSorted((a, b) => a - b)) {
      if (rev <= this.tail.head) continue;
      if (rev > this.tail.head + 1) this.tail.skipTo(rev - 1);
      this.tail.append(rev, this.#early.get(rev)!, now, this.subscriptions.size);
    }
    this.#early.clear();
    this.#earlyChars = 0;
    if (this.#expected > this.tail.head) this.tail.skipTo(this.#expected);
  }

  #takeEarly(now: number): void {
    if (this.#early.size === 0 || this.tail === undefined) return;
    for (let rev = this.tail.head + 1; this.#early.has(rev); rev++) {
      const frame = this.#early.get(rev)!;
      this.tail.append(rev, frame, now, this.subscriptions.size);
      this.#early.delete(rev);
      this.#earlyChars -= frame.text.length;
    }
  }

  /** A head read from the store. */
  observe(head: number, rev: number): void {
    this.head = Math.max(this.head, head);
    this.tail ??= new Tail(rev, this.#limits);
    this.expect(rev);
  }
}
