/** What a drill started and must end, whatever becomes of it. */
export class Cleanup {
  readonly #tasks: (() => unknown)[] = [];
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  add(task: () => unknown): void {
    this.#tasks.push(task);
  }

  /** Last first. One that fails does not keep the others from ending; called again, it does what was added meanwhile. */
  async run(): Promise<void> {
    for (let task = this.#tasks.pop(); task !== undefined; task = this.#tasks.pop()) {
      try {
        await task();
      } catch (error) {
        this.#log(`cleaning up: ${(error as Error).message}`);
      }
    }
  }
}
