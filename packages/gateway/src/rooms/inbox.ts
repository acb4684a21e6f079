import type { RoomTransport } from './connection.ts';

type Task = () => Promise<void>;

/** Tasks that wait, above which nothing more is read from the connection. */
const PAUSE_AT = 64;

/** What a connection sent and is not handled yet: one at a time, in order, each after what the one before waited for. */
export class Inbox {
  readonly #transport: RoomTransport;
  readonly #onFailed: (error: unknown) => void;
  #waiting: Task[] = [];
  #working = false;
  #paused = false;

  constructor(transport: RoomTransport, onFailed: (error: unknown) => void) {
    this.#transport = transport;
    this.#onFailed = onFailed;
  }

  /** Waiting behind the task that is being done. */
  get length(): number {
    return this.#waiting.length;
  }

  get working(): boolean {
    return this.#working;
  }

  push(task: Task): void {
    this.#waiting.push(task);
    if (!this.#working) void this.#run();
    else if (this.#waiting.length >= PAUSE_AT) this.#pause(true);
  }

  /** Nothing more is done, but what is under way. */
  clear(): void {
    this.#waiting = [];
  }

  async #run(): Promise<void> {
    this.#working = true;
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      try {
        await task();
      } catch (error) {
        this.#onFailed(error);
      }
      if (this.#waiting.length === 0) this.#pause(false);
    }
    this.#working = false;
  }

  #pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    if (paused) this.#transport.pauseReading();
    else this.#transport.resumeReading();
  }
}
