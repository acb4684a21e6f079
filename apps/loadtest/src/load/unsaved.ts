/** The answer of the server says nothing about the outcome: the same mid may still be saved. */
const UNKNOWN = new Set(['store_unavailable', 'internal']);

export interface Acked {
  /** No ack of it came before. */
  readonly first: boolean;
  /** It was still waited for on this connection: the next one may go. */
  readonly waited: boolean;
}

/** What one client sent and is not saved: mid to frame, and how far each came. */
export class Unsaved {
  readonly #frames = new Map<string, string>();
  readonly #accepted = new Set<string>();
  /** Accepted once, and their number was taken back. */
  readonly #voided = new Set<string>();

  get size(): number {
    return this.#frames.size;
  }

  mids(): string[] {
    return [...this.#frames.keys()];
  }

  add(mid: string, frame: string): void {
    this.#frames.set(mid, frame);
  }

  frameOf(mid: string): string | undefined {
    return this.#frames.get(mid);
  }

  /** An ack of it came, whatever became of it since. */
  wasAccepted(mid: string): boolean {
    return this.#accepted.has(mid) || this.#voided.has(mid);
  }

  /** Undefined: it was over before. */
  acked(mid: string, stage: 'accepted' | 'saved'): Acked | undefined {
    if (!this.#frames.has(mid)) return undefined;
    const waited = !this.#accepted.has(mid);
    const first = !this.wasAccepted(mid);
    if (stage === 'accepted') this.#accepted.add(mid);
    else this.over(mid);
    return { first, waited };
  }

  /**
   * Whether it was accepted, and its number is not its own any more: it goes again. `first`: it had one until now. From then on only a
   * final error ends it.
   */
  taken(mid: string, code: string): 'first' | 'again' | undefined {
    if (this.#voided.has(mid) && !this.#accepted.has(mid)) return isUnknown(code) || code === 'server_busy' ? 'again' : undefined;
    if (!isUnknown(code) || !this.#accepted.delete(mid)) return undefined;
    this.#voided.add(mid);
    return 'first';
  }

  /** Nothing more is awaited of it. False when that was so before. */
  over(mid: string): boolean {
    this.#accepted.delete(mid);
    this.#voided.delete(mid);
    return this.#frames.delete(mid);
  }
}

export function isUnknown(code: string): boolean {
  return UNKNOWN.has(code);
}
