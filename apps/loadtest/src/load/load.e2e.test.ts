import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchServer, TEST_SECRET } from '@gapless/testkit';
import { expect, test } from 'vitest';
import type { LoadOptions } from './options.ts';
import { failuresOf } from './result.ts';
import { runLoad } from './run.ts';

// Goal: the whole tool against a real server. Method: a short run with two workers, whose histories the checker reads.

const base: Omit<LoadOptions, 'urls'> = {
  mode: 'group',
  clients: 10,
  durationMs: 2_000,
  warmUpMs: 200,
  msgIntervalMs: 200,
  sendModel: 'spread',
  closedLoop: false,
  bodyBytes: 64,
  groupSize: 5,
  slowConsumerPct: 0,
  slowConsumerDelayMs: 50,
  noReadPct: 0,
  flapPct: 0,
  workers: 2,
  jwtSecret: TEST_SECRET,
};

test('a run delivers everything, and its histories hold no anomaly', async () => {
  const server = await launchServer();
  const history = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  const result = await runLoad({ ...base, urls: [server.url], history });
  expect(failuresOf(result, {})).toEqual([]);
  expect(result).toMatchObject({ deliveredPct: 100, expected: 500, delivered: 500, errors: {}, check: { ok: true, withoutHistory: 0 } });
  expect(result.counts).toMatchObject({ sent: 100, saved: 100, gaps: 0, duplicates: 0, reorders: 0 });
  expect(result.latency.e2e!.count).toBeGreaterThan(400);
  expect(result.seconds[0]!.rssMiB).toBeGreaterThan(10);
  expect(readdirSync(history)).toHaveLength(3);
  await server.stop();
});

test('clients that flap, dawdle and never read cost nobody a message', async () => {
  const server = await launchServer();
  const history = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  const odd = { slowConsumerPct: 20, noReadPct: 10, flapPct: 40 };
  const result = await runLoad({ ...base, ...odd, urls: [server.url], groupSize: 10, history });
  expect(failuresOf(result, {})).toEqual([]);
  expect(result.counts.reconnects).toBeGreaterThan(0);
  expect(result.check!.anomalies).toEqual([]);
  await server.stop();
});

test.each(['single_e2e', 'ping', 'connect', 'resume'] as const)('mode %s', async (mode) => {
  const server = await launchServer();
  const result = await runLoad({ ...base, mode, durationMs: 1_000, urls: [server.url] });
  expect(failuresOf(result, {})).toEqual([]);
  const measured = mode === 'single_e2e' ? 'e2e' : mode;
  expect(result.latency[measured]!.count).toBeGreaterThan(5);
  await server.stop();
});
