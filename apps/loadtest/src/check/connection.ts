import type { AnomalyLog } from './anomalies.ts';
import type { EventOf, Where } from './event.ts';

/** More holes than this on one connection are not told apart from duplicates when they arrive late. */
const MISSING_MAX = 10_000;

/** What one connection saw of one conversation: from the cursor it joined with, every seq, in order, once. */
export class ConnectionCheck {
  readonly #log: AnomalyLog;
  readonly #name: string;
  /** The seq that must come next; absent before joining, and after a `reset` until the first message. */
  #next: number | undefined;
  #joined = false;
  readonly #missing = new Set<number>();
  /** Mids in the order in which they were sent here. */
  readonly sends: string[] = [];
  drained = false;

  constructor(where: Where, log: AnomalyLog) {
    this.#log = log;
    this.#name = `${where.cid} on ${where.u}/${where.d}#${where.k}`;
  }

  /** All seqs below were received, or were before joining. */
  get next(): number | undefined {
    return this.#next;
  }

  joined({ since, head, reset }: EventOf<'joined'>): void {
    this.#joined = true;
    if (reset === true) this.#missing.clear();
    this.#flush();
    this.#next = reset === true ? undefined : (since ?? head) + 1;
  }

  received({ seq, changed, lost }: EventOf<'recv'>): void {
    if (!this.#joined) return this.#log.add('uninvited', `${this.#name}: seq ${seq}`);
    const next = this.#next ?? seq;
    if (seq >= next) {
      if (seq > next) this.#skip(next, seq);
      this.#next = seq + 1;
    } else if (this.#missing.delete(seq)) this.#log.add('reorder', `${this.#name}: seq ${seq} after ${next - 1}`);
    // What it has may come again, changed.
    else if (changed !== true && lost !== true) this.#log.add('duplicate', `${this.#name}: seq ${seq} again, after ${next - 1}`);
  }

  /** Holes that nothing filled, and messages that never came. */
  finish(last: number): void {
    this.#flush();
    if (this.drained && this.#next !== undefined && this.#next <= last)
      this.#log.add('unobserved', `${this.#name}: has up to ${this.#next - 1}, the newest is ${last}`);
  }

  #flush(): void {
    for (const seq of this.#missing) this.#log.add('gap', `${this.#name}: seq ${seq} never came`);
    this.#missing.clear();
  }

  #skip(from: number, to: number): void {
    for (let seq = from; seq < to; seq++) {
      if (this.#missing.size < MISSING_MAX) this.#missing.add(seq);
      else this.#log.add('gap', `${this.#name}: seq ${seq} was skipped`);
    }
  }
}
