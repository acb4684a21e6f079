/** A connection to the server of a bus. It never repairs itself: nothing that was on its way comes out of it later. */
interface Line {
  /** What is under way rejects. */
  close(): Promise<void>;
}

export interface HeldLineOptions<L> {
  open(): Promise<L>;
  /** Told of each line that could not be opened or on which something failed; for the log. */
  onError: (error: unknown) => void;
}

/** Opens a line when it is needed, and keeps it until something fails on it. Trying again, and how often, is the caller's. */
export class HeldLine<L extends Line> {
  readonly #options: HeldLineOptions<L>;
  #line: Promise<L> | undefined;
  #closed = false;

  constructor(options: HeldLineOptions<L>) {
    this.#options = options;
  }

  async use<T>(task: (line: L) => Promise<T>): Promise<T> {
    if (this.#closed) throw new Error('the event bus is closed');
    this.#line ??= this.#options.open();
    const used = this.#line;
    try {
      return await task(await used);
    } catch (error) {
      this.#drop(used, error);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#line?.then((line) => line.close()).catch(() => {});
  }

  #drop(used: Promise<L>, error: unknown): void {
    // Others on it fail with it: they say nothing new.
    if (this.#line !== used || this.#closed) return;
    this.#line = undefined;
    this.#options.onError(error);
    used.then((line) => line.close()).catch(() => {});
  }
}
