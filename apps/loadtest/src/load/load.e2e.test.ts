import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchServer, TEST_SECRET } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { DEFAULTS, type LoadOptions } from './options.ts';
import { runLoad } from './run.ts';
import { selfTest } from './self-test.ts';
import { failuresOf } from './thresholds.ts';

// Goal: the whole tool against a real server. Method: a short run with two workers, whose histories the checker reads.

const base: Omit<LoadOptions, 'urls'> = {
  ...DEFAULTS,
  mode: 'group',
  clients: 10,
  durationMs: 2_000,
  warmUpMs: 200,
  msgIntervalMs: 200,
  bodyBytes: 64,
  groupSize: 5,
  slowConsumerDelayMs: 50,
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

test('clients that flap, dawdle, acknowledge and never read cost nobody a message', async () => {
  const server = await launchServer();
  const history = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  const odd = { slowConsumerPct: 20, noReadPct: 10, flapPct: 40, acks: true };
  const result = await runLoad({ ...base, ...odd, urls: [server.url], groupSize: 10, history });
  expect(failuresOf(result, {})).toEqual([]);
  expect(result).toMatchObject({ expected: 1_000, delivered: 1_000, drain: { behind: 0 } });
  expect(result.counts.reconnects).toBeGreaterThan(0);
  expect(result.counts.acks).toBeGreaterThan(0);
  expect(result.latency.e2eSlow!.count).toBeGreaterThan(0);
  expect(result.check!.anomalies).toEqual([]);
  await server.stop();
});

test.each(['single_e2e', 'ping', 'connect', 'resume'] as const)('mode %s', async (mode) => {
  const server = await launchServer();
  const result = await runLoad({ ...base, mode, durationMs: 1_000, steadyPct: 20, urls: [server.url] });
  expect(failuresOf(result, {})).toEqual([]);
  const measured = mode === 'single_e2e' ? 'e2e' : mode;
  expect(result.latency[measured]!.count).toBeGreaterThan(mode === 'resume' ? 0 : 5);
  if (mode === 'resume') expect(result.stormMs).toBeGreaterThan(0);
  await server.stop();
});

test('who is kicked for reading nothing returns in the end and has everything', async () => {
  const server = await launchServer({ env: { GAPLESS_WS_BACKPRESSURE_CLOSE_UNWRITABLE_AFTER_MS: '200' } });
  const heavy = { bodyBytes: 16_000, msgIntervalMs: 20, durationMs: 3_000, groupSize: 10, noReadPct: 20, workers: 1 };
  const result = await runLoad({ ...base, ...heavy, urls: [server.url] });
  expect(failuresOf(result, {})).toEqual([]);
  expect(Object.keys(result.kicks).every((kick) => kick.endsWith(' noRead'))).toBe(true);
  await server.stop();
});

test('a server that goes away and comes back: everyone returns by itself', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  const first = await launchServer({ dataDir });
  let second: Promise<Awaited<ReturnType<typeof launchServer>>> | undefined;
  const onSecond = () => {
    second ??= first.kill().then(() => launchServer({ dataDir, port: first.port }));
  };
  const result = await runLoad({ ...base, durationMs: 4_000, urls: [first.url] }, { onSecond });
  expect(failuresOf(result, { failErrors: 1_000 })).toEqual([]);
  expect(result.kicks).toEqual({ '1006 fast': 10 });
  expect(result.counts.reconnects).toBeGreaterThanOrEqual(10);
  await (await second)!.stop();
});

test('the self-test takes what its sink gives', async () => {
  const result = await selfTest({ ...base, clients: 20, urls: [] }, { stepsMax: 1 });
  expect(result).toMatchObject({ receivers: 20, workers: 2 });
  expect(result.steps).toHaveLength(1);
  expect(result.steps[0]!.takenPerSec).toBeGreaterThan(0);
  expect(result.cpuUsPerMessage).toBeGreaterThan(0);
});
