import { Hdr, type HdrData } from './hdr.ts';

/**
 * `e2e`: receivers that read as they should; `e2eSlow`: those that dawdle; `e2eStorm`: those that stayed, while all others came back.
 * `e2eSame`, `e2eOther`: of `e2e`, with several nodes, the receivers beside the sender on its node, and those on other nodes.
 * `lag`: how late the generator itself sent.
 */
export const LATENCIES = [
  'connect',
  'accepted',
  'saved',
  'e2e',
  'e2eSlow',
  'e2eStorm',
  'e2eSame',
  'e2eOther',
  'ping',
  'resume',
  'lag',
] as const;
export type Latency = (typeof LATENCIES)[number];

/** Microseconds. */
export type Histograms = Record<Latency, Hdr>;
export type HistogramData = Record<Latency, HdrData>;

export function createHistograms(): Histograms {
  return Object.fromEntries(LATENCIES.map((name) => [name, new Hdr()])) as Histograms;
}

export function histogramData(histograms: Histograms): HistogramData {
  return Object.fromEntries(LATENCIES.map((name) => [name, histograms[name].data()])) as HistogramData;
}

export function mergeHistograms(into: Histograms, from: HistogramData): void {
  for (const name of LATENCIES) into[name].add(from[name]);
}

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** In milliseconds; absent when nothing was recorded. */
export function percentilesOf(histogram: Hdr): Percentiles | undefined {
  if (histogram.count === 0) return undefined;
  const ms = (percent: number) => histogram.percentile(percent) / 1_000;
  const { count, max } = histogram;
  return { count, p50: ms(50), p90: ms(90), p95: ms(95), p99: ms(99), p999: ms(99.9), max: max / 1_000 };
}

export interface Counts {
  sent: number;
  /** Messages that got an ack of the first stage, where the server acknowledges in two. */
  accepted: number;
  saved: number;
  /** Of the accepted ones: their number was taken back, and they were sent again. */
  voided: number;
  /** Of the accepted ones: not saved when the run was over. */
  unsaved: number;
  received: number;
  resent: number;
  duplicates: number;
  gaps: number;
  reorders: number;
  reconnects: number;
  /** Frames `ack` and `read` sent. */
  acks: number;
  /** Frames that were parsed in full and compared with what the scanner read. */
  sampled: number;
  /** Reads of the kernel: many messages in one when the server coalesces. */
  reads: number;
}

/** Messages, or so many a second. */
export interface Arrived {
  readonly saved: number;
  readonly received: number;
}

export function createCounts(): Counts {
  return {
    ...{ accepted: 0, voided: 0, unsaved: 0 },
    ...{ sent: 0, saved: 0, received: 0, resent: 0, duplicates: 0, gaps: 0, reorders: 0 },
    ...{ reconnects: 0, acks: 0, sampled: 0, reads: 0 },
  };
}
