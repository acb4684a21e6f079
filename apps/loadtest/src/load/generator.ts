import { Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerInput } from './messages.ts';
import { type Counts, createCounts } from './stats.ts';
import { Window } from './window.ts';

/** A worker thread of the generator, and what it says. */
export class Generator {
  readonly name: string;
  counts: Counts = createCounts();
  connected = 0;
  /** CPU of the thread, and when it was told. */
  cpuUs = 0;
  atUs = 0;
  /** Latencies told since they were last taken. */
  readonly window = new Window();
  readonly #worker: Worker;
  readonly #said: FromWorker[] = [];
  #failed: Error | undefined;
  #wake = () => {};

  constructor(input: WorkerInput) {
    this.name = input.name;
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: input });
    this.#worker.on('message', (message: FromWorker) => {
      if (message.t === 'connected') this.connected = message.count;
      else if (message.t === 'progress') this.#progress(message);
      else this.#said.push(message);
      this.#wake();
    });
    this.#worker.on('error', (error) => {
      this.#failed = error as Error;
      this.#wake();
    });
  }

  tell(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** At once, whatever it does. */
  async end(): Promise<void> {
    await this.#worker.terminate();
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
