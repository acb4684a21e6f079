export interface SamplingRules {
  /** Share of successes that are logged, 0 to 1. */
  rate: number;
  /** Conversations of which everything is logged. */
  cids: readonly string[];
}

/** Which successes are logged. Errors always are. Changed while running through the admin API. */
export class Sampling {
  #rate: number;
  #cids = new Set<string>();

  constructor(rate: number) {
    this.#rate = rate;
  }

  get(): SamplingRules {
    return { rate: this.#rate, cids: [...this.#cids] };
  }

  set({ rate, cids }: SamplingRules): void {
    this.#rate = rate;
    this.#cids = new Set(cids);
  }

  hit(cid: string): boolean {
    return (this.#cids.size > 0 && this.#cids.has(cid)) || (this.#rate > 0 && Math.random() < this.#rate);
  }
}
