interface Pausable {
  pause(): void;
  resume(): void;
}

/** Stops reading for so long after each message; what came with it in one read is waited for one after the other. */
export class Dawdle {
  readonly #delayMs: number;
  #until = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  message(socket: Pausable): void {
    this.#until = Math.max(this.#until, performance.now()) + this.#delayMs;
    if (this.#timer !== undefined) return;
    socket.pause();
    this.#wait(socket);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#until = 0;
  }

  #wait(socket: Pausable): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#until > performance.now()) return this.#wait(socket);
      socket.resume();
    }, this.#until - performance.now());
    this.#timer.unref();
  }
}
