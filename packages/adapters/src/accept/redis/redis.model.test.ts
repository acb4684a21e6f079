import { startRedis } from '@gapless/testkit';
import fc from 'fast-check';
import { onTestFinished, test } from 'vitest';
import { MODEL, Model } from '../model.test-util.ts';
import { steps } from '../model-steps.test-util.ts';
import { openRedisAcceptLog } from './index.ts';

// A failure prints its seed, and SEED=… runs that one again.
const RUNS = Number(process.env.RUNS ?? 100);

test(`${RUNS} random scripts are answered as the model says`, async (ctx) => {
  const redis = await startRedis();
  if ('reason' in redis) return ctx.skip(redis.reason);
  onTestFinished(() => redis.remove());
  const logs = await Promise.all([0, 1].map(() => openRedisAcceptLog({ url: redis.url, ...MODEL })));
  onTestFinished(async () => void (await Promise.all(logs.map((log) => log.end()))));
  let epoch = 0;
  const property = fc.asyncProperty(steps, async (script) => {
    await logs[0]!.begin(++epoch);
    const model = new Model(logs, epoch);
    for (const [node, step] of script) await model.step(node, step);
    await model.compare();
    await logs[0]!.drop(epoch);
  });
  const seed = process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) };
  await fc.assert(property, { numRuns: RUNS, ...seed });
});
