import { Deliverer } from './deliverer.ts';
import type { AcceptWorkerDeps } from './deps.ts';
import { Saver } from './saver.ts';

export type { AcceptWorkerDeps, AcceptWorkerLimits } from './deps.ts';

/** The workers of the accept log in this process. */
export class AcceptWorkers {
  readonly #workers: readonly (Saver | Deliverer)[];

  constructor(deps: AcceptWorkerDeps) {
    this.#workers = [new Deliverer(deps), new Saver(deps)];
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
