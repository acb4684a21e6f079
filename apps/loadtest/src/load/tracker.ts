/** Holes of one receiver that are remembered, to tell a late message from a second one. */
const MISSING_MAX = 1_000;

/** Counts what a receiver missed, got twice, or got late; in bounded memory. */
export class SeqTracker {
  next = 1;
  received = 0;
  duplicates = 0;
  gaps = 0;
  reorders = 0;
  readonly #missing = new Set<number>();

  constructor(next: number) {
    this.next = next;
  }

  receive(seq: number): void {
    if (seq >= this.next) {
      if (seq > this.next) this.#miss(seq);
      this.next = seq + 1;
      this.received++;
    } else if (this.#missing.delete(seq)) {
      this.gaps--;
      this.reorders++;
      this.received++;
    } else this.duplicates++;
  }

  #miss(upTo: number): void {
    this.gaps += upTo - this.next;
    for (let missed = this.next; missed < upTo && this.#missing.size < MISSING_MAX; missed++) this.#missing.add(missed);
  }
}
