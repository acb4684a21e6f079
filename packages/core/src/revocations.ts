/** Looking through all entries is not for every sign-out. */
const SWEEP_MS = 60_000;

/**
 * Sign-ins whose access tokens are still of age but no longer good.
 * An entry leaves when every token of its sign-in has expired, so the set is bounded by the sign-outs of that time.
 */
export class Revocations {
  /** sid to the time it may be forgotten. */
  readonly #until = new Map<string, number>();
  readonly #listeners = new Set<(sid: string) => void>();
  readonly #keepMs: number;
  #sweptAt = 0;

  constructor({ keepMs }: { keepMs: number }) {
    this.#keepMs = keepMs;
  }

  get size(): number {
    return this.#until.size;
  }

  has(sid: string): boolean {
    return this.#until.has(sid);
  }

  /** `untilMs`: when a token of this sign-in expires that may outlive our own. */
  add(sid: string, nowMs: number, untilMs = 0): void {
    this.#sweep(nowMs);
    this.#until.set(sid, Math.max(this.#until.get(sid) ?? 0, nowMs + this.#keepMs, untilMs));
    for (const listener of this.#listeners) listener(sid);
  }

  onAdded(listener: (sid: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = nowMs;
    for (const [sid, until] of this.#until) if (until <= nowMs) this.#until.delete(sid);
  }
}
