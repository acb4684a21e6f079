export interface BackoffOptions {
  baseMs: number;
  maxMs: number;
  /** Uniform in [0, 1). */
  random: () => number;
}

/** Full jitter: each delay is uniform between 0 and a ceiling that doubles from `baseMs` to `maxMs`. */
export class Backoff {
  #attempt = 0;
  readonly #options: BackoffOptions;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Milliseconds to wait before the next try. */
  next(): number {
    const { baseMs, maxMs, random } = this.#options;
    const ceiling = Math.min(maxMs, baseMs * 2 ** this.#attempt++);
    return Math.floor(random() * ceiling);
  }

  reset(): void {
    this.#attempt = 0;
  }
}
