import { FakeClock } from '@gapless/testkit';
import fc from 'fast-check';
import { test } from 'vitest';
import { MODEL, Model } from '../model.test-util.ts';
import { steps } from '../model-steps.test-util.ts';
import { openMemoryAcceptLog } from './index.ts';

// A failure prints its seed, and SEED=… runs that one again.
const RUNS = Number(process.env.RUNS ?? 1_000);

test(`${RUNS} random scripts are answered as the model says`, async () => {
  const property = fc.asyncProperty(steps, async (script) => {
    const server = openMemoryAcceptLog({ clock: new FakeClock(), ...MODEL });
    const logs = [server.connect(), server.connect()];
    await logs[0]!.begin(1);
    const model = new Model(logs, 1);
    for (const [node, step] of script) await model.step(node, step);
    await model.compare();
  });
  const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
  await fc.assert(property, { numRuns: RUNS, ...seed });
});
