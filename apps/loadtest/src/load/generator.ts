import type { FromWorker, ToWorker, WorkerInput } from './messages.ts';
import { type Counts, createCounts } from './stats.ts';
import { Window } from './window.ts';
import { startProcess, startThread, type WorkerLink } from './worker-link.ts';

/** A worker of the generator, and what it says. */
export class Generator {
  readonly name: string;
  counts: Counts = createCounts();
  connected = 0;
  /** Mode resume: all its clients are back. */
  readonly returned: Promise<void>;
  /** CPU of its thread, and when it was told. */
  cpuUs = 0;
  atUs = 0;
  /** Latencies told since they were last taken. */
  readonly window = new Window();
  readonly #link: WorkerLink;
  readonly #said: FromWorker[] = [];
  #failed: Error | undefined;
  #wake = () => {};

  constructor(input: WorkerInput, { ownProcess = false } = {}) {
    this.name = input.name;
    const back = Promise.withResolvers<void>();
    this.returned = back.promise;
    this.#link = (ownProcess ? startProcess : startThread)(input, {
      message: (message) => {
        if (message.t === 'connected') this.connected = message.count;
        else if (message.t === 'progress') this.#progress(message);
        else if (message.t === 'returned') back.resolve();
        else this.#said.push(message);
        this.#wake();
      },
      failed: (error) => {
        this.#failed = error;
        this.#wake();
      },
    });
  }

  tell(message: ToWorker): void {
    this.#link.post(message);
  }

  /** At once, whatever it does. */
  async end(): Promise<void> {
    await this.#link.end();
  }

  async next<T extends FromWorker['t']>(t: T): Promise<Extract<FromWorker, { t: T }>> {
    while (this.#said[0]?.t !== t) {
      if (this.#failed !== undefined) throw this.#failed;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#said.shift() as Extract<FromWorker, { t: T }>;
  }

  #progress({ counts, window, cpuUs, atUs }: Extract<FromWorker, { t: 'progress' }>): void {
    this.counts = counts;
    this.cpuUs = cpuUs;
    this.atUs = atUs;
    this.window.e2e.add(window.e2e);
    this.window.saved.add(window.saved);
  }
}
