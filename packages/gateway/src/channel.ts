import type { Frame } from './frame.ts';
import type { Standings } from './standings.ts';
import type { Delivery } from './strategy.ts';
import type { Subscription } from './subscription.ts';
import { Tail, type TailLimits } from './tail.ts';

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
  readonly #limits: TailLimits;

  constructor(cid: string, limits: TailLimits) {
    this.cid = cid;
    this.#limits = limits;
  }

  /** A commit. A rev that is known already is ignored; a hole is left to the store. */
  publish(rev: number, frame: Frame, now: number): void {
    if (this.tail === undefined) this.tail = new Tail(rev - 1, this.#limits);
    else if (rev <= this.tail.head) return;
    else if (rev > this.tail.head + 1) this.tail.skipTo(rev - 1);
    this.tail.append(rev, frame, now, this.subscriptions.size);
  }

  /** A head read from the store. True when it is newer than what was known: listeners have something to fetch. */
  observe(head: number, rev: number): boolean {
    this.head = Math.max(this.head, head);
    if (this.tail === undefined) {
      this.tail = new Tail(rev, this.#limits);
      return false;
    }
    if (rev <= this.tail.head) return false;
    this.tail.skipTo(rev);
    return true;
  }
}
