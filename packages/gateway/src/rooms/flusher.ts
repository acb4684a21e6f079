import type { SendQueue } from './send-queue.ts';

/** Work of one run before other events get their turn. */
const SLICE_MS = 8;

/** Writes queues at the end of the tick: what comes to a connection within one tick goes in one write. */
export class RoomFlusher {
  readonly #marked = new Set<SendQueue>();
  #scheduled = false;

  mark(queue: SendQueue): void {
    this.#marked.add(queue);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  /** Nothing more is to be written to it. */
  forget(queue: SendQueue): void {
    this.#marked.delete(queue);
  }

  #run = (): void => {
    const started = performance.now();
    let count = 0;
    for (const queue of this.#marked) {
      this.#marked.delete(queue);
      queue.flush();
      // The clock is cheap, but not for every write.
      if ((++count & 31) === 0 && performance.now() - started > SLICE_MS) break;
    }
    this.#scheduled = this.#marked.size > 0;
    if (this.#scheduled) setImmediate(this.#run);
  };
}
