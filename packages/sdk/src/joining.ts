/** Between two tries to begin anew on one connection: a server that goes on leaving gaps is not hammered. */
const RESTART_MS = 1_000;

/** Whether a conversation is joined on the connection of now. The server answers requests in their order, and each takes the place of the one before. */
export class Joining {
  #joined = false;
  #atHead = false;
  #rev = 0;
  /** Requests without an answer. A refused `sync` does not say which ones it was about: at worst too few are counted, and one is joined twice. */
  #pending = 0;
  #restartedAt = Number.NEGATIVE_INFINITY;
  #restartTimer: ReturnType<typeof setTimeout> | undefined;

  get joined(): boolean {
    return this.#joined;
  }

  get pending(): boolean {
    return this.#pending > 0;
  }

  /** The last request was for the head, not from a position on. */
  get atHead(): boolean {
    return this.#atHead;
  }

  /** The rev at which the server said that the user takes part: removals up to it were undone. */
  get rev(): number {
    return this.#rev;
  }

  /** What came before its answer belongs to no join any more. */
  requested(options: { atHead: boolean }): void {
    this.#joined = false;
    this.#atHead = options.atHead;
    this.#pending++;
  }

  answered(rev: number): void {
    this.#pending = Math.max(0, this.#pending - 1);
    this.#joined = true;
    this.#rev = rev;
  }

  /** True when another request was answered before: the server left the conversation all the same. */
  refused(): boolean {
    this.#pending = Math.max(0, this.#pending - 1);
    const left = this.#joined;
    this.#joined = false;
    return left;
  }

  /** Of the connection, or of the conversation: nothing that was asked is answered any more. */
  ended(): void {
    this.#joined = false;
    this.#pending = 0;
    clearTimeout(this.#restartTimer);
  }

  /** Calls at once, or when enough time has passed since the last time. */
  restart(rejoin: () => void): void {
    this.#joined = false;
    clearTimeout(this.#restartTimer);
    const begin = () => {
      this.#restartedAt = Date.now();
      rejoin();
    };
    const waitMs = this.#restartedAt + RESTART_MS - Date.now();
    if (waitMs > 0) this.#restartTimer = setTimeout(begin, waitMs);
    else begin();
  }
}
