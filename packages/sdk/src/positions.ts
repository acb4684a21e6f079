/** Receipts are for people: sooner than this nobody sees. */
const EVERY_MS = 250;
/** Conversations in one go. Below the server's 60 frames a second, each with `ack` and `read`. */
const AT_ONCE = 5;

/** Tells positions soon, each conversation at most once per tick; the first at once. */
export class Positions<T> {
  readonly #tell: (item: T) => void;
  readonly #dirty = new Set<T>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: (item: T) => void) {
    this.#tell = tell;
  }

  touch(item: T): void {
    this.#dirty.add(item);
    // Zero and not now: what the same turn brings goes along.
    this.#timer ??= setTimeout(() => this.#flush(), 0);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dirty.clear();
  }

  #flush(): void {
    this.#timer = undefined;
    if (this.#dirty.size === 0) return;
    for (const item of [...this.#dirty].slice(0, AT_ONCE)) {
      this.#dirty.delete(item);
      this.#tell(item);
    }
    this.#timer = setTimeout(() => this.#flush(), EVERY_MS);
  }
}
