import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { PlantName } from './plants.ts';
import type { SeedReport, SeedWork } from './worker.ts';

export interface ManyOptions {
  readonly seeds: Iterable<number>;
  readonly plant?: PlantName | undefined;
  readonly control?: boolean | undefined;
  readonly twoPhase?: boolean | undefined;
  /** Worlds that run at a time; one for each core where not said. */
  readonly jobs?: number | undefined;
  /** Called in any order. True: no further seed is begun. */
  onReport(report: SeedReport): boolean;
}

/** Runs seeds side by side, each in a thread of its own world: a run owns the globals of its thread. */
export async function runMany({ seeds, plant, control, twoPhase, jobs = availableParallelism(), onReport }: ManyOptions): Promise<void> {
  const left = seeds[Symbol.iterator]();
  let stopped = false;
  const next = (): SeedWork | undefined => {
    const { value, done } = stopped ? { value: undefined, done: true } : left.next();
    return done ? undefined : { seed: value!, plant, control, twoPhase };
  };
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      let work = next();
      if (work === undefined) return;
      const worker = new Worker(new URL('./worker.ts', import.meta.url));
      try {
        for (; work !== undefined; work = next()) stopped = onReport(await ask(worker, work)) || stopped;
      } finally {
        await worker.terminate();
      }
    }),
  );
}

function ask(worker: Worker, work: SeedWork): Promise<SeedReport> {
  return new Promise((resolve, reject) => {
    worker.once('message', (report: SeedReport) => {
      worker.off('error', reject);
      resolve(report);
    });
    worker.once('error', reject);
    worker.postMessage(work);
  });
}

/** Both ends included. */
export function* range(from: number, to: number): Generator<number> {
  for (let each = from; each <= to; each++) yield each;
}
