const FIRST_MS = 500;
/** Short enough that a user who looks again is served; long enough that a million clients do not stampede. */
const MAX_MS = 8_000;

/** Full jitter: each delay is anywhere between nothing and a bound that doubles. */
export class Backoff {
  #boundMs = FIRST_MS;

  next(): number {
    const delayMs = Math.random() * this.#boundMs;
    this.#boundMs = Math.min(this.#boundMs * 2, MAX_MS);
    return delayMs;
  }

  /** Waits that long. The wait alone keeps no Node process alive. */
  sleep(): Promise<void> {
    return new Promise((resolve) => {
      const timer: number | { unref?(): void } = setTimeout(resolve, this.next());
      if (typeof timer === 'object') timer.unref?.();
    });
  }

  /** For a server that asked for patience: the full bound from now on. */
  slowDown(): void {
    this.#boundMs = MAX_MS;
  }

  reset(): void {
    this.#boundMs = FIRST_MS;
  }
}
