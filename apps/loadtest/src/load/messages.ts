import type { ClientPlan, LoadOptions } from './options.ts';
import type { Counts, Histograms } from './stats.ts';

export interface WorkerInput {
  readonly options: LoadOptions;
  readonly plans: readonly ClientPlan[];
  /** Prefix of every mid of this run. */
  readonly run: string;
  readonly name: string;
}

export type ToWorker = { t: 'start'; startUs: number } | { t: 'drain'; heads: ReadonlyMap<string, number> };

export type FromWorker =
  | { t: 'ready' }
  | { t: 'progress'; counts: Counts }
  | { t: 'stopped'; heads: ReadonlyMap<string, number> }
  | ({ t: 'result' } & WorkerResult);

export interface WorkerResult {
  readonly counts: Counts;
  readonly histograms: Histograms;
  /** What all readers together should have received, and did. */
  readonly expected: number;
  readonly delivered: number;
  readonly errors: ReadonlyMap<string, number>;
  /** CPU of the thread while sending, of one core. */
  readonly cpuPct: number;
}
