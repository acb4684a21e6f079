/** Lets so many tasks run at a time; the others wait in their order. In a storm of reconnects the live traffic keeps its share of the store. */
export class Turns {
  readonly #max: number;
  readonly #onWaiting: (count: number) => void;
  #running = 0;
  #waiting: (() => void)[] = [];
  /** Of `#waiting`, those that had their turn. */
  #passed = 0;

  constructor(max: number, onWaiting: (count: number) => void = () => {}) {
    this.#max = max;
    this.#onWaiting = onWaiting;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) await this.#turn();
    else this.#running++;
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#onWaiting(this.#waiting.length - this.#passed);
    });
  }

  /** The place of one that ended goes to the one that waits longest. */
  #next(): void {
    const resolve = this.#waiting[this.#passed];
    if (resolve === undefined) {
      this.#running--;
      return;
    }
    this.#passed++;
    if (this.#passed === this.#waiting.length || this.#passed > 1_000) {
      this.#waiting = this.#waiting.slice(this.#passed);
      this.#passed = 0;
    }
    this.#onWaiting(this.#waiting.length - this.#passed);
    resolve();
  }
}
