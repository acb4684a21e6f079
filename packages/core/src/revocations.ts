/** Looking through all entries is not for every sign-out. */
const SWEEP_MS = 60_000;

/** Gets together what ended together: whoever looks through all connections does it once. */
export type RevokedListener = (sids: ReadonlySet<string>) => void;

/**
 * Sign-ins whose access tokens are still of age but no longer good.
 * An entry leaves when every token of its sign-in has expired, so the set is bounded by the sign-outs of that time.
 */
export class Revocations {
  /** sid to the time it may be forgotten. */
  readonly #until = new Map<string, number>();
  readonly #listeners = new Set<RevokedListener>();
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

  /** `untilMs`: when a token of these sign-ins expires that may outlive our own. */
  add(sids: readonly string[], nowMs: number, untilMs = 0): void {
    if (sids.length === 0) return;
    this.#sweep(nowMs);
    for (const sid of sids) this.#until.set(sid, Math.max(this.#until.get(sid) ?? 0, nowMs + this.#keepMs, untilMs));
    const added = new Set(sids);
    for (const listener of this.#listeners) listener(added);
  }

  onAdded(listener: RevokedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = nowMs;
    for (const [sid, until] of this.#until) if (until <= nowMs) this.#until.delete(sid);
  }
}
