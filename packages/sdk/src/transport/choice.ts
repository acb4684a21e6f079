import type { Dialer } from './transport.ts';

/** Failures in a row after which a transport that was `ready` before is left: one alone says more of the server or the network. */
const PROVEN_FAILURES_MAX = 2;

/**
 * Which transport the next attempt takes: the one that worked last, else the most wanted.
 *
 * - One that does not get through is followed by the next, at once only if it is a refusal of one that never worked here: what takes its
 *   time, or worked before, goes through the backoff. A server in trouble is not asked twice as often.
 * - When none gets through, it is the network, or the server: all begins again with the most wanted, and nothing is tried at once any more.
 */
export class TransportChoice {
  readonly #dialers: readonly Dialer[];
  /** Were `ready` in this client's life. */
  readonly #proven = new Set<Dialer>();
  readonly #failures = new Map<Dialer, number>();
  #current: Dialer;
  /** None gets through. */
  #dark = false;

  /** In order of preference, at least one. */
  constructor(dialers: readonly Dialer[]) {
    this.#dialers = dialers;
    this.#current = dialers[0]!;
  }

  get current(): Dialer {
    return this.#current;
  }

  get best(): Dialer {
    return this.#dialers[0]!;
  }

  get bestIsProven(): boolean {
    return this.#proven.has(this.best);
  }

  worked(dialer: Dialer): void {
    this.forgive();
    this.#proven.add(dialer);
    this.#current = dialer;
  }

  /** Another network, perhaps, or somebody who wants it now: what failed before says nothing. */
  forgive(): void {
    this.#failures.clear();
    this.#dark = false;
  }

  /** The current one did not get through. True when another is to be tried at once. */
  failed(refused: boolean): boolean {
    const failed = this.#current;
    const times = (this.#failures.get(failed) ?? 0) + 1;
    this.#failures.set(failed, times);
    const proven = this.#proven.has(failed);
    if (proven && times < PROVEN_FAILURES_MAX) return false;
    const next = this.#dialers.find((dialer) => !this.#failures.has(dialer));
    this.#current = next ?? this.best;
    if (next !== undefined) return refused && !proven && !this.#dark;
    this.#failures.clear();
    this.#dark = true;
    return false;
  }
}
