/**
 * Sign-ins whose access tokens are still of age but no longer good.
 * An entry leaves when every token of its sign-in has expired, so the set is bounded by the sign-outs of that time.
 */
export class Revocations {
  /** sid to the time it may be forgotten, which ascends in the order of the map. */
  readonly #until = new Map<string, number>();
  readonly #listeners = new Set<(sid: string) => void>();
  readonly #keepMs: number;

  constructor({ keepMs }: { keepMs: number }) {
    this.#keepMs = keepMs;
  }

  get size(): number {
    return this.#until.size;
  }

  has(sid: string): boolean {
    return this.#until.has(sid);
  }

  add(sid: string, nowMs: number): void {
    this.#prune(nowMs);
    this.#until.delete(sid);
    this.#until.set(sid, nowMs + this.#keepMs);
    for (const listener of this.#listeners) listener(sid);
  }

  onAdded(listener: (sid: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #prune(nowMs: number): void {
    for (const [sid, until] of this.#until) {
      if (until > nowMs) return;
      this.#until.delete(sid);
    }
  }
}
