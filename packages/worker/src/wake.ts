import type { Clock } from '@gapless/kit';

/** Waiting that can be cut short. A call that comes while nobody waits is not forgotten: the next wait ends at once. */
export class Wake {
  readonly #clock: Clock;
  #called = false;
  #waiting: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  call(): void {
    this.#called = true;
    this.#waiting?.abort();
  }

  /** What was called before is of no interest from here on. */
  forget(): void {
    this.#called = false;
  }

  /** Resolves after that time, or when called. */
  async wait(ms: number): Promise<void> {
    if (this.#called || ms <= 0) return;
    this.#waiting = new AbortController();
    await this.#clock.sleep(ms, this.#waiting.signal);
    this.#waiting = undefined;
  }
}
