import { parentPort } from 'node:worker_threads';
import { type PlantName, plantOf } from './plants.ts';
import { type RunResult, runSeed } from './run-seed.ts';

export interface SeedWork {
  readonly seed: number;
  readonly plant?: PlantName | undefined;
  /** In the worlds of that plant, without its fault. */
  readonly control?: boolean | undefined;
  readonly twoPhase?: boolean | undefined;
}

/** What a thread tells of one seed. */
export type SeedReport = Pick<RunResult, 'seed' | 'ok' | 'hash' | 'problems' | 'simulatedMs' | 'tasks' | 'counts'> & {
  readonly sent: number;
  readonly received: number;
};

parentPort?.on('message', async ({ seed, plant, control, twoPhase }: SeedWork) => {
  const options = { plant: plantOf(plant, control), twoPhase };
  const { ok, hash, problems, simulatedMs, tasks, counts, check } = await runSeed(seed, options);
  const report: SeedReport = { seed, ok, hash, problems, simulatedMs, tasks, counts, sent: check.sent, received: check.received };
  parentPort?.postMessage(report);
});
