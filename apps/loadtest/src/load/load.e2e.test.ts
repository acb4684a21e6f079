import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LaunchedServer, launchServer, TEST_SECRET } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { FILES_BESIDE } from './file-limit.ts';
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
  expect(result.server!.loopP99Ms).toBeGreaterThan(0);
  if (mode === 'resume') {
    expect(result.stormMs).toBeGreaterThan(0);
    expect(result.storm!.loopP99Ms).toBeGreaterThan(0);
    expect(result.storm!.loopMaxMs).toBeGreaterThan(0);
  }
  await server.stop();
});

// The kernel takes some megabytes of a connection before the server sees that nobody reads: bodies as large as a server allows fill them.
test('who is kicked for reading nothing is counted, returns, and has everything in order', async () => {
  const server = await launchServer({
    env: {
      GAPLESS_BODY_MAX_BYTES: '49152',
      GAPLESS_WS_BACKPRESSURE_WRITE_BUFFER_LOW_WATER_MARK_BYTES: '8192',
      GAPLESS_WS_BACKPRESSURE_WRITE_BUFFER_HIGH_WATER_MARK_BYTES: '16384',
      GAPLESS_WS_BACKPRESSURE_CLOSE_UNWRITABLE_AFTER_MS: '500',
    },
  });
  const history = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  const heavy = { clients: 3, groupSize: 3, noReadPct: 1, bodyBytes: 48_000, msgIntervalMs: 15, durationMs: 3_000, workers: 1 };
  const result = await runLoad({ ...base, ...heavy, urls: [server.url], history });
  expect(failuresOf(result, {})).toEqual([]);
  expect(result).toMatchObject({ deliveredPct: 100, errors: {}, drain: { behind: 0 }, check: { ok: true, anomalies: [] } });
  expect(result.counts).toMatchObject({ gaps: 0, duplicates: 0, reorders: 0 });
  // Who reads nothing finds the connection broken: the 4409 cannot pass what it left unread. That it was one, the server tells.
  const kicks = Object.entries(result.kicks);
  expect(kicks.every(([kick]) => kick === '4409 noRead' || kick === '1006 noRead')).toBe(true);
  expect(kicks.reduce((sum, [, count]) => sum + count, 0)).toBeGreaterThan(0);
  expect(result.counts.reconnects).toBeGreaterThan(0);
  const told = kicksToldBy(server);
  expect(told.length).toBeGreaterThan(0);
  expect(await metricOf(server.url, 'gapless_closes_total{reason="slow_consumer"}')).toBe(told.length);
  for (const { uid, conn, durationMs, bufferedBytes } of told) {
    expect(uid).toMatch(/-u0$/);
    expect(conn).toMatch(/^\w{26}$/);
    expect(durationMs).toBeGreaterThanOrEqual(500);
    expect(bufferedBytes).toBeGreaterThanOrEqual(16_384);
  }
  await server.stop();
});

function kicksToldBy(server: LaunchedServer): Record<string, unknown>[] {
  const lines = server.output().split('\n');
  return lines.filter((line) => line.includes('"slow consumer closed"')).map((line) => JSON.parse(line));
}

async function metricOf(url: string, name: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const line = metrics.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
}

// How long it takes is the machine's: the server has to start, and each client waits up to 8 s between its tries.
test('a server that goes away and comes back: everyone returns by itself', { timeout: 300_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  const first = await launchServer({ dataDir });
  const underWay = Promise.withResolvers<void>();
  const options = { ...base, durationMs: 4_000, drainTimeoutMs: 200_000, urls: [first.url] };
  const run = runLoad(options, { onSecond: () => underWay.resolve() });
  await Promise.race([underWay.promise, run]);
  await first.kill();
  const [second, result] = await Promise.all([launchServer({ dataDir, port: first.port }), run]);
  await second.stop();
  expect(failuresOf(result, { failErrors: Number.POSITIVE_INFINITY })).toEqual([]);
  expect(result).toMatchObject({ kicks: { '1006 fast': 10 }, deliveredPct: 100, drain: { behind: 0 } });
  expect(result.counts.reconnects).toBeGreaterThanOrEqual(10);
});

// Goal: several nodes, and more processes than one. Method: two names of one server, and few files for each process.
test('clients spread over the nodes, change between them, and lose nothing', async () => {
  const server = await launchServer();
  const history = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  const urls = [server.url, server.url.replace('127.0.0.1', 'localhost')];
  const options = { ...base, urls, flapPct: 20, localAddresses: ['127.0.0.1', '127.0.0.2'], history };
  const result = await runLoad(options, { filesMax: FILES_BESIDE + 4 });
  expect(failuresOf(result, {})).toEqual([]);
  expect(result).toMatchObject({ deliveredPct: 100, errors: {}, check: { ok: true } });
  expect(result.counts.reconnects).toBeGreaterThan(0);
  // Ten clients, four in each process; the histories, and the log.
  expect(readdirSync(history)).toHaveLength(3 + 1);
  const { e2e, e2eSame, e2eOther } = result.latency;
  expect(e2eSame!.count).toBeGreaterThan(0);
  expect(e2eOther!.count).toBeGreaterThan(0);
  expect(e2eSame!.count + e2eOther!.count).toBeLessThan(e2e!.count);
  expect(result.hop!.p50).toBeCloseTo(e2eOther!.p50 - e2eSame!.p50);
  expect(result.server!.nodes!.map(({ url }) => url)).toEqual(urls);
  expect(result.server!.nodes!.every(({ rssMaxMiB = 0, connectionsMax }) => rssMaxMiB > 10 && connectionsMax === 10)).toBe(true);
  await server.stop();
});

test('only the senders asked for send', async () => {
  const server = await launchServer();
  const result = await runLoad({ ...base, urls: [server.url], senders: 1 });
  expect(failuresOf(result, {})).toEqual([]);
  expect(result.counts).toMatchObject({ sent: 20, received: 100 });
  await server.stop();
});

test('mode resume over several processes', async () => {
  const server = await launchServer();
  const options = { ...base, mode: 'resume', durationMs: 1_000, steadyPct: 20, urls: [server.url] } as const;
  const result = await runLoad(options, { filesMax: FILES_BESIDE + 5 });
  expect(failuresOf(result, {})).toEqual([]);
  expect(result.stormMs).toBeGreaterThan(0);
  await server.stop();
});

test('a node that drains says when to go, and going is no error', { timeout: 300_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'gapless-load-'));
  const first = await launchServer({ dataDir });
  const underWay = Promise.withResolvers<void>();
  const options = { ...base, durationMs: 4_000, drainTimeoutMs: 200_000, urls: [first.url] };
  const run = runLoad(options, { onSecond: () => underWay.resolve() });
  await Promise.race([underWay.promise, run]);
  await first.stop();
  const [second, result] = await Promise.all([launchServer({ dataDir, port: first.port }), run]);
  await second.stop();
  const { 'not connected': tries = 0, ...errors } = result.errors;
  expect(errors).toEqual({});
  expect(failuresOf(result, { failErrors: tries })).toEqual([]);
  expect(result.counts.reconnects).toBeGreaterThanOrEqual(10);
});

test('a run ends though the server is gone for good and its clients flap', async () => {
  const server = await launchServer();
  const underWay = Promise.withResolvers<void>();
  const options = { ...base, flapPct: 100, durationMs: 3_000, drainTimeoutMs: 500, urls: [server.url] };
  const run = runLoad(options, { onSecond: () => underWay.resolve() });
  await Promise.race([underWay.promise, run]);
  await server.kill();
  const result = await run;
  expect(result.errors['not connected']).toBeGreaterThan(0);
  expect(result.counts.saved).toBeLessThan(result.counts.sent);
});

test('the self-test takes what its sink gives', async () => {
  const result = await selfTest({ ...base, clients: 20, urls: [] }, { stepsMax: 1 });
  expect(result).toMatchObject({ receivers: 20, workers: 2 });
  expect(result.steps).toHaveLength(1);
  expect(result.steps[0]!.takenPerSec).toBeGreaterThan(0);
  expect(result.cpuUsPerMessage).toBeGreaterThan(0);
});
