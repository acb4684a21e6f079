import type { HistoryWriter } from './history-writer.ts';
import type { LoadOptions } from './options.ts';
import { type Counts, createCounts, createHistograms, type Histograms, type Latency } from './stats.ts';

/** What the clients of one worker share. */
export class LoadContext {
  readonly run: string;
  readonly options: LoadOptions;
  readonly history: HistoryWriter | undefined;
  readonly histograms: Histograms = createHistograms();
  readonly counts: Counts = createCounts();
  /** By code; also `closed 4409` and the like. */
  readonly errors = new Map<string, number>();
  /** The largest seq acknowledged in each conversation. */
  readonly heads = new Map<string, number>();
  /** Nothing intended before is measured. */
  measureFromUs = 0;

  constructor(run: string, options: LoadOptions, history?: HistoryWriter) {
    this.run = run;
    this.options = options;
    this.history = history;
  }

  record(name: Latency, intendedUs: number, atUs: number): void {
    if (intendedUs >= this.measureFromUs) this.histograms[name].record(Math.max(1, atUs - intendedUs));
  }

  error(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }
}
