/** Work of one turn of the event loop before live traffic gets its own. */
const SLICE_MS = 4;

/** Runs tasks in their order, a few milliseconds of them in each turn of the event loop: a storm of new connections must not stall it. */
export class Slices {
  #tasks: (() => void)[] = [];
  #scheduled = false;

  get waiting(): number {
    return this.#tasks.length;
  }

  add(task: () => void): void {
    this.#tasks.push(task);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  #run = (): void => {
    const until = performance.now() + SLICE_MS;
    const tasks = this.#tasks;
    this.#tasks = [];
    let i = 0;
    try {
      // At least one, however late it is.
      do tasks[i++]!();
      while (i < tasks.length && performance.now() < until);
    } finally {
      if (i < tasks.length) this.#tasks = tasks.slice(i).concat(this.#tasks);
      this.#scheduled = this.#tasks.length > 0;
      if (this.#scheduled) setImmediate(this.#run);
    }
  };
}
