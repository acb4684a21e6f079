import type { CheckResult } from '../check/check.ts';
import type { LoopDelay } from './loop-delay.ts';
import type { WorkerResult } from './messages.ts';
import { type NodeUse, nodeUses } from './node-use.ts';
import type { LoadOptions } from './options.ts';
import type { ServerSample } from './server-probe.ts';
import {
  type Arrived,
  type Counts,
  createCounts,
  createHistograms,
  LATENCIES,
  type Latency,
  mergeHistograms,
  type Percentiles,
  percentilesOf,
} from './stats.ts';

/** One second of a run. */
export interface Second extends ServerSample {
  readonly second: number;
  readonly sent: number;
  readonly saved: number;
  readonly received: number;
  readonly e2eP50Ms?: number;
  readonly e2eP99Ms?: number;
  readonly savedP50Ms?: number;
  readonly savedP99Ms?: number;
  /** Of the busiest thread of the generator. */
  readonly generatorCpuPct?: number;
}

/** What the server used while messages were sent; the event loop without the warm-up. */
export interface ServerUse extends LoopDelay {
  readonly cpuPct: number;
  readonly rssMaxMiB: number;
  /** CPU for each message received, everything included. */
  readonly cpuUsPerReceived?: number;
  /** With several nodes, each; in the order of the urls. */
  readonly nodes?: readonly NodeUse[];
}

/**
 * What it adds, in milliseconds, that a receiver is not on the sender's node: the difference of the percentiles of `e2eOther` and `e2eSame`,
 * which are of the same messages.
 */
export interface Hop {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Delay of the server's event loop: while measured, and in mode resume from the cut until the last one was back. */
export interface Loops {
  readonly run: LoopDelay;
  readonly storm?: LoopDelay;
}

export interface LoadResult {
  readonly at: string;
  readonly options: Omit<LoadOptions, 'jwtSecret'>;
  /** Of all of the run, warm-up and drain included. */
  readonly counts: Counts;
  /** A second, while messages were sent, without the warm-up: what came in the drain is not in it. */
  readonly rates: Arrived;
  /** Who never got in included. */
  readonly expected: number;
  readonly delivered: number;
  /** 0 to 100; of what every client should have received, those that were slow included. */
  readonly deliveredPct: number;
  /** Milliseconds. */
  readonly latency: Partial<Record<Latency, Percentiles>>;
  /** With several nodes. */
  readonly hop?: Hop;
  /** For pictures: up to so many milliseconds, so many. */
  readonly bars: { readonly [L in 'e2e' | 'saved']?: readonly [upToMs: number, count: number][] };
  /** Numbers that the server took back. */
  readonly lost: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Connections that the server ended: by close code, then by what the client did wrong. */
  readonly kicks: Readonly<Record<string, number>>;
  /** From the end of sending until everyone had everything; `behind` clients never had. What of `counts` came only then. */
  readonly drain: Arrived & { readonly ms: number; readonly behind: number };
  /** Mode resume: from the cut until the last one had everything; absent when one never had. */
  readonly stormMs?: number;
  /** The event loop of the server in that time. */
  readonly storm?: LoopDelay;
  /** CPU of the busiest generator thread. Above 80, or `lag` p99 above 5 ms, the generator is what is measured. */
  readonly generatorCpuPct: number;
  readonly generatorOk: boolean;
  readonly server?: ServerUse;
  readonly seconds: readonly Second[];
  readonly check?: CheckResult;
}

export const LAG_MAX_MS = 5;
export const GENERATOR_CPU_MAX_PCT = 80;

export function summarise(
  options: LoadOptions,
  workers: readonly WorkerResult[],
  seconds: readonly Second[],
  { loop = { run: {} }, check }: { loop?: Loops; check?: CheckResult } = {},
): LoadResult {
  const histograms = createHistograms();
  const counts = createCounts();
  const [errors, kicks]: Record<string, number>[] = [{}, {}];
  let [expected, delivered, behind] = [0, 0, 0];
  for (const worker of workers) {
    mergeHistograms(histograms, worker.histograms);
    for (const name of Object.keys(counts) as (keyof Counts)[]) counts[name] += worker.counts[name];
    for (const [code, count] of worker.errors) errors![code] = (errors![code] ?? 0) + count;
    for (const [code, count] of worker.kicks) kicks![code] = (kicks![code] ?? 0) + count;
    expected += worker.expected;
    delivered += worker.delivered;
    behind += worker.behind;
  }
  const sum = (name: 'rates' | 'drained'): Arrived => ({
    saved: workers.reduce((total, worker) => total + worker[name].saved, 0),
    received: workers.reduce((total, worker) => total + worker[name].received, 0),
  });
  const latency: Partial<Record<Latency, Percentiles>> = {};
  for (const name of LATENCIES) {
    const percentiles = percentilesOf(histograms[name]);
    if (percentiles !== undefined) latency[name] = percentiles;
  }
  const { jwtSecret: _, ...shown } = options;
  const generatorCpuPct = Math.max(...workers.map(({ cpuPct }) => cpuPct));
  const storms = workers.map(({ stormMs }) => stormMs);
  const sending = seconds.slice(0, Math.max(1, Math.round(options.durationMs / 1_000)));
  const server = serverUse(options.urls, sending, loop.run);
  const hop = hopOf(latency);
  return {
    at: new Date().toISOString(),
    options: shown,
    counts,
    rates: sum('rates'),
    expected,
    delivered,
    deliveredPct: expected === 0 ? 100 : (delivered / expected) * 100,
    latency,
    ...(hop === undefined ? {} : { hop }),
    bars: barsOf(histograms),
    lost: new Set(workers.flatMap((worker) => [...worker.lost])).size,
    errors: errors!,
    kicks: kicks!,
    drain: { ms: Math.max(...workers.map(({ drainMs }) => drainMs)), behind, ...sum('drained') },
    ...(storms.every((ms) => ms !== undefined) ? { stormMs: Math.max(...storms) } : {}),
    ...(loop.storm === undefined ? {} : { storm: loop.storm }),
    generatorCpuPct,
    generatorOk: generatorCpuPct <= GENERATOR_CPU_MAX_PCT && (latency.lag?.p99 ?? 0) <= LAG_MAX_MS,
    ...(server === undefined ? {} : { server }),
    seconds,
    ...(check === undefined ? {} : { check }),
  };
}

function barsOf(histograms: ReturnType<typeof createHistograms>): LoadResult['bars'] {
  const names = (['e2e', 'saved'] as const).filter((name) => histograms[name].count > 0);
  return Object.fromEntries(names.map((name) => [name, histograms[name].bars().map(([upTo, count]) => [upTo / 1_000, count])]));
}

function hopOf({ e2eSame, e2eOther }: LoadResult['latency']): Hop | undefined {
  if (e2eSame === undefined || e2eOther === undefined) return undefined;
  return { p50: e2eOther.p50 - e2eSame.p50, p95: e2eOther.p95 - e2eSame.p95, p99: e2eOther.p99 - e2eSame.p99 };
}

function serverUse(urls: readonly string[], seconds: readonly Second[], loop: LoopDelay): ServerUse | undefined {
  const sampled = seconds.filter(({ cpuPct }) => cpuPct !== undefined);
  if (sampled.length === 0) return undefined;
  const cpu = sampled.reduce((sum, { cpuPct }) => sum + cpuPct!, 0);
  const received = sampled.reduce((sum, second) => sum + second.received, 0);
  return {
    cpuPct: cpu / sampled.length,
    rssMaxMiB: Math.max(...sampled.map(({ rssMiB }) => rssMiB!)),
    ...(received > 0 ? { cpuUsPerReceived: (cpu * 1e4) / received } : {}),
    ...loop,
    ...(urls.length > 1 ? { nodes: nodeUses(urls, seconds) } : {}),
  };
}
