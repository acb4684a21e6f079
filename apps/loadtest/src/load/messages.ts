import type { ClientPlan, LoadOptions } from './options.ts';
import type { Arrived, Counts, HistogramData } from './stats.ts';
import type { WindowData } from './window.ts';

export interface WorkerInput {
  readonly options: LoadOptions;
  readonly plans: readonly ClientPlan[];
  /** Prefix of every mid of this run. */
  readonly run: string;
  readonly name: string;
}

export type ToWorker =
  | { t: 'start'; startUs: number }
  /** Mode resume: the clients of every worker are back. */
  | { t: 'stormOver' }
  | { t: 'drain'; heads: ReadonlyMap<string, number> };

export type FromWorker =
  | { t: 'connected'; count: number }
  | { t: 'ready' }
  /** Mode resume: its clients are all back. */
  | { t: 'returned' }
  | { t: 'progress'; counts: Counts; window: WindowData; cpuUs: number; atUs: number }
  /** Every message sent was answered, or will not be. */
  | { t: 'stopped'; heads: ReadonlyMap<string, number> }
  | ({ t: 'result' } & WorkerResult);

export interface WorkerResult {
  readonly counts: Counts;
  readonly histograms: HistogramData;
  /** While it sent, the warm-up left out; per second. */
  readonly rates: Arrived;
  /** Of `counts`: what came after the end of sending. */
  readonly drained: Arrived;
  /** What all together should have received, who never got in included, and did. */
  readonly expected: number;
  readonly delivered: number;
  readonly lost: ReadonlySet<string>;
  readonly errors: ReadonlyMap<string, number>;
  readonly kicks: ReadonlyMap<string, number>;
  /** CPU of the thread while sending, of one core. */
  readonly cpuPct: number;
  /** From the end of sending until everyone had everything; clients that never had. */
  readonly drainMs: number;
  readonly behind: number;
  /** Mode resume: from the cut until the last one had everything; absent when one never had. */
  readonly stormMs?: number;
  /** When they were cut off. */
  readonly cutUs?: number;
}
