/** Acks so far, without those that say of a message that it was there before. */
export interface AckCounts {
  readonly accepted: number;
  readonly saved: number;
}

/** When acks came, over all clients: what a fault did to those who send. */
export class Acks {
  readonly #pending = new Set<string>();
  readonly #refused = new Map<string, number>();
  /** Accepted and not saved. */
  readonly #unsaved = new Set<string>();
  #counts: AckCounts = { accepted: 0, saved: 0 };
  /** Acks as saved, of a seq below that of the one before on the same connection. */
  backwards = 0;
  #lastAt = performance.now();
  #longestStallMs = 0;
  #healedAt: number | undefined;
  #firstAfterMs: number | undefined;
  /** What waited when all was healed. */
  #awaited = new Set<string>();
  #drainMs: number | undefined;

  /** Clients send from now on. */
  begin(): void {
    this.#lastAt = performance.now();
  }

  /** Everything is whole again. */
  healed(): void {
    this.#healedAt = performance.now();
    this.#firstAfterMs = undefined;
    this.#awaited = new Set(this.#pending);
    this.#drainMs = this.#awaited.size === 0 ? 0 : undefined;
  }

  invoked(mid: string): void {
    this.#pending.add(mid);
  }

  acked(mid: string, stage: 'accepted' | 'saved', dup = false): void {
    const now = performance.now();
    this.#longestStallMs = Math.max(this.#longestStallMs, now - this.#lastAt);
    this.#lastAt = now;
    if (this.#healedAt !== undefined) this.#firstAfterMs ??= now - this.#healedAt;
    if (!dup) this.#counts = { ...this.#counts, [stage]: this.#counts[stage] + 1 };
    if (stage === 'saved') this.saved(mid);
    else this.#unsaved.add(mid);
  }

  /** Its author knows that it is saved: by an ack, or because it saw it in the conversation when the ack was lost. */
  saved(mid: string): void {
    this.#pending.delete(mid);
    this.#unsaved.delete(mid);
    if (this.#awaited.delete(mid) && this.#awaited.size === 0) this.#drainMs ??= performance.now() - this.#healedAt!;
  }

  refused(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  /** Sent and not acked as saved; those that a client still holds back are not among them. */
  get pending(): number {
    return this.#pending.size;
  }

  get counts(): AckCounts {
    return this.#counts;
  }

  /** Messages that their senders know as accepted, and not as saved. */
  get unsaved(): number {
    return this.#unsaved.size;
  }

  /** Errors that sends were answered with, by code. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refused;
  }

  /** `end`: when no more was sent and nothing waited. Infinite where it never came to that. */
  times(): { recoverMs: number; drainMs: number; longestStallMs: number } {
    const never = Number.POSITIVE_INFINITY;
    return { recoverMs: this.#firstAfterMs ?? never, drainMs: this.#drainMs ?? never, longestStallMs: this.#longestStallMs };
  }
}
