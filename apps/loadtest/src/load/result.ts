import type { CheckResult } from '../check/check.ts';
import type { WorkerResult } from './messages.ts';
import type { LoadOptions } from './options.ts';
import {
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
export interface Second {
  readonly second: number;
  readonly sent: number;
  readonly saved: number;
  readonly received: number;
  readonly cpuPct?: number;
  readonly rssMiB?: number;
}

export interface LoadResult {
  readonly at: string;
  readonly options: Omit<LoadOptions, 'jwtSecret'>;
  readonly counts: Counts;
  readonly expected: number;
  readonly delivered: number;
  /** 0 to 100; of what every reader should have received. */
  readonly deliveredPct: number;
  /** Milliseconds. */
  readonly latency: Partial<Record<Latency, Percentiles>>;
  readonly errors: Readonly<Record<string, number>>;
  /** CPU of the busiest generator thread. Above 80, or `lag` p99 above 5 ms, the generator is what is measured. */
  readonly generatorCpuPct: number;
  readonly generatorOk: boolean;
  readonly seconds: readonly Second[];
  readonly check?: CheckResult;
}

export const LAG_MAX_MS = 5;
export const GENERATOR_CPU_MAX_PCT = 80;

export function summarise(
  options: LoadOptions,
  workers: readonly WorkerResult[],
  seconds: readonly Second[],
  check?: CheckResult,
): LoadResult {
  const histograms = createHistograms();
  const counts = createCounts();
  const errors: Record<string, number> = {};
  let [expected, delivered] = [0, 0];
  for (const worker of workers) {
    mergeHistograms(histograms, worker.histograms);
    for (const name of Object.keys(counts) as (keyof Counts)[]) counts[name] += worker.counts[name];
    for (const [code, count] of worker.errors) errors[code] = (errors[code] ?? 0) + count;
    expected += worker.expected;
    delivered += worker.delivered;
  }
  const latency: Partial<Record<Latency, Percentiles>> = {};
  for (const name of LATENCIES) {
    const percentiles = percentilesOf(histograms[name]);
    if (percentiles !== undefined) latency[name] = percentiles;
  }
  const { jwtSecret: _, ...shown } = options;
  const generatorCpuPct = Math.max(...workers.map(({ cpuPct }) => cpuPct));
  return {
    at: new Date().toISOString(),
    options: shown,
    counts,
    expected,
    delivered,
    deliveredPct: expected === 0 ? 100 : (delivered / expected) * 100,
    latency,
    errors,
    generatorCpuPct,
    generatorOk: generatorCpuPct <= GENERATOR_CPU_MAX_PCT && (latency.lag?.p99 ?? 0) <= LAG_MAX_MS,
    seconds,
    ...(check === undefined ? {} : { check }),
  };
}

export interface Thresholds {
  readonly failP99Ms?: number;
  readonly failErrors?: number;
  readonly failDeliveredPct?: number;
}

/** What a run did not reach; order, loss and duplicates have no threshold. */
export function failuresOf(result: LoadResult, { failP99Ms, failErrors = 0, failDeliveredPct = 100 }: Thresholds): string[] {
  const { counts, latency, errors, deliveredPct, check } = result;
  const failures: string[] = [];
  for (const name of ['gaps', 'duplicates', 'reorders'] as const) if (counts[name] > 0) failures.push(`${counts[name]} ${name}`);
  const count = Object.values(errors).reduce((sum, each) => sum + each, 0);
  if (count > failErrors) failures.push(`${count} errors, at most ${failErrors} allowed`);
  if (deliveredPct < failDeliveredPct) failures.push(`${deliveredPct.toFixed(3)} % delivered, ${failDeliveredPct} required`);
  const p99 = (latency.e2e ?? latency.ping ?? latency.connect)?.p99;
  if (failP99Ms !== undefined && p99 !== undefined && p99 > failP99Ms)
    failures.push(`p99 ${p99.toFixed(1)} ms, at most ${failP99Ms} allowed`);
  if (check !== undefined && !check.ok) failures.push(`the checker found ${check.anomalies.map(({ name }) => name).join(', ')}`);
  return failures;
}
