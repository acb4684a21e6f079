import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

export const LATENCIES = ['connect', 'accepted', 'saved', 'e2e', 'ping', 'resume', 'lag'] as const;
export type Latency = (typeof LATENCIES)[number];

export type Histograms = Record<Latency, RecordableHistogram>;

/** Microseconds. `lag`: how late the generator itself sent. */
export function createHistograms(): Histograms {
  return Object.fromEntries(LATENCIES.map((name) => [name, createHistogram({ figures: 3 })])) as Histograms;
}

export function mergeHistograms(into: Histograms, from: Histograms): void {
  for (const name of LATENCIES) if (from[name].count > 0) into[name].add(from[name]);
}

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** In milliseconds; absent when nothing was recorded. */
export function percentilesOf(histogram: RecordableHistogram): Percentiles | undefined {
  if (histogram.count === 0) return undefined;
  const ms = (percent: number) => histogram.percentile(percent) / 1_000;
  return { count: histogram.count, p50: ms(50), p90: ms(90), p99: ms(99), p999: ms(99.9), max: histogram.max / 1_000 };
}

export interface Counts {
  sent: number;
  saved: number;
  received: number;
  resent: number;
  duplicates: number;
  gaps: number;
  reorders: number;
  reconnects: number;
  /** Frames that were parsed in full and compared with what the scanner read. */
  sampled: number;
}

export function createCounts(): Counts {
  return { sent: 0, saved: 0, received: 0, resent: 0, duplicates: 0, gaps: 0, reorders: 0, reconnects: 0, sampled: 0 };
}
