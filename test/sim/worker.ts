import { parentPort } from 'node:worker_threads';
import { PLANTS, type PlantName } from './plants.ts';
import { type RunResult, runSeed } from './run-seed.ts';

export interface SeedWork {
  readonly seed: number;
  readonly plant?: PlantName | undefined;
  readonly twoPhase?: boolean | undefined;
}

/** What a thread tells of one seed. */
export type SeedReport = Pick<RunResult, 'seed' | 'ok' | 'hash' | 'problems' | 'simulatedMs' | 'tasks' | 'counts'> & {
  readonly sent: number;
  readonly received: number;
};

parentPort?.on('message', async ({ seed, plant, twoPhase }: SeedWork) => {
  const { ok, hash, problems, simulatedMs, tasks, counts, check } = await runSeed(seed, { plant: plant && PLANTS[plant], twoPhase });
  const report: SeedReport = { seed, ok, hash, problems, simulatedMs, tasks, counts, sent: check.sent, received: check.received };
  parentPort?.postMessage(report);
});
