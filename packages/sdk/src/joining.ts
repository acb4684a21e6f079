/** Between two tries to begin anew: a server that goes on leaving gaps is not hammered. */
const RESTART_MS = 1_000;

/** Whether a conversation is joined on the connection of now. Each request takes the place of the one before it. */
export class Joining {
  #joined = false;
  #atHead = false;
  #rev = 0;
  /** Requests without an answer; rather too many than too few: then one is joined again for nothing, and none is taken for joined that is not. */
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

  /** `wanted`: nobody closed it meanwhile. */
  answered(rev: number, wanted: boolean): void {
    this.#pending = Math.max(0, this.#pending - 1);
    this.#joined = wanted;
    this.#rev = rev;
  }

  /** `named`: it was certainly about this conversation. Returns whether it was joined by another request: the server may have left it all the same. */
  onRefused({ named }: { named: boolean }): boolean {
    if (named) this.#pending = Math.max(0, this.#pending - 1);
    const left = this.#joined;
    this.#joined = false;
    return left;
  }

  left(): void {
    this.#joined = false;
    clearTimeout(this.#restartTimer);
  }

  /** Nothing that was asked on the connection is answered any more. */
  disconnected(): void {
    this.left();
    this.#pending = 0;
  }

  /** Calls at once, or when enough time has passed since the last time. */
  restart(rejoin: () => void): void {
    this.#joined = false;
    this.#atHead = true;
    clearTimeout(this.#restartTimer);
    const begin = () => {
      this.#restartedAt = performance.now();
      rejoin();
    };
    const waitMs = this.#restartedAt + RESTART_MS - performance.now();
    if (waitMs > 0) this.#restartTimer = setTimeout(begin, waitMs);
    else begin();
  }
}
