import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchServer, sharedPostgres, startRedis, TEST_SECRET } from '@gapless/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { DEFAULTS, type LoadOptions } from './options.ts';
import { runLoad } from './run.ts';
import { printResult } from './text.ts';
import { failuresOf } from './thresholds.ts';

// Goal: against a server that acknowledges in two phases, both are counted, and the checker finds nothing. Method: two real nodes over
// Postgres and Redis.

test('accepted and saved are told apart, and the histories of both hold no anomaly', async (context) => {
  const postgres = await sharedPostgres();
  if ('reason' in postgres) return context.skip(postgres.reason);
  const redis = await startRedis({ settings: { appendonly: 'yes' } });
  if ('reason' in redis) return context.skip(redis.reason);
  onTestFinished(() => redis.remove());
  const env = {
    GAPLESS_STORE: await postgres.createDatabase(),
    GAPLESS_BROKER: redis.url,
    GAPLESS_TWO_PHASE_ENABLED: 'true',
    GAPLESS_TWO_PHASE_DELIVER_BEFORE_SAVED: 'true',
  };
  const first = await launchServer({ env });
  onTestFinished(() => first.kill());
  const second = await launchServer({ env });
  onTestFinished(() => second.kill());
  for (const { url } of [first, second]) while (!(await accepts(url))) await new Promise((resolve) => setTimeout(resolve, 20));
  const history = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  onTestFinished(() => rmSync(history, { recursive: true, force: true }));

  const load = { mode: 'group', clients: 10, groupSize: 5, durationMs: 2_000, msgIntervalMs: 200, workers: 2 } as const;
  const options: LoadOptions = { ...DEFAULTS, ...load, jwtSecret: TEST_SECRET, urls: [first.url, second.url], history };
  const result = await runLoad(options);
  expect(failuresOf(result, {})).toEqual([]);
  expect(result.counts).toMatchObject({ sent: 100, accepted: 100, saved: 100, voided: 0, unsaved: 0 });
  expect(result).toMatchObject({ lost: 0, deliveredPct: 100, check: { ok: true, withoutHistory: 0 } });
  expect([result.latency.accepted!.count, result.latency.saved!.count]).toEqual([100, 100]);
  expect(printResult(result, [])).toContain('two phases: accepted 100  never saved 0');
});

async function accepts(url: string): Promise<boolean> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^gapless_accept_epoch (\d+)/m.exec(text)?.[1] ?? 0) > 0;
}
