import type { Dialer } from './transport.ts';

/**
 * Which transport the next attempt takes: the one that worked last, else the most wanted.
 *
 * When one does not get through, the others are tried at once, each once; when none does, it is the network, and all begins again
 * with the most wanted.
 */
export class TransportChoice {
  readonly #dialers: readonly Dialer[];
  readonly #failed = new Set<Dialer>();
  #current: Dialer;

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

  worked(dialer: Dialer): void {
    this.#failed.clear();
    this.#current = dialer;
  }

  /** The current one did not get through. True when another is to be tried at once. */
  failed(): boolean {
    this.#failed.add(this.#current);
    const next = this.#dialers.find((dialer) => !this.#failed.has(dialer));
    if (next === undefined) this.#failed.clear();
    this.#current = next ?? this.best;
    return next !== undefined;
  }
}
