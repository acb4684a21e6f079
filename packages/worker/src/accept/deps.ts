import type { AcceptLog, Committed, Epochs, Log, TwoPhaseMetrics, TwoPhaseRules, Writer } from '@gapless/core';
import type { Clock } from '@gapless/kit';

export interface AcceptWorkerDeps {
  readonly node: string;
  readonly accept: AcceptLog;
  readonly epochs: Pick<Epochs, 'epoch' | 'change' | 'look' | 'giveUp' | 'liveNodes'>;
  readonly writer: Pick<Writer, 'append'>;
  readonly rules: Pick<TwoPhaseRules, 'deliverBeforeSaved'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: TwoPhaseMetrics;
  readonly limits: AcceptWorkerLimits;
  /** What is saved now, or was accepted and may not have been told; for this node and all others. */
  readonly tell: (committed: Committed) => void;
}

export interface AcceptWorkerLimits {
  /** Entries of one shard in one batch. */
  readonly batchSize: number;
  /** How long a read waits for the first entry; and between two rounds of announcements. */
  readonly blockMs: number;
  /** A shard of a worker that died is another's after that. */
  readonly lockTtlMs: number;
}

/** Before what failed is tried again; doubled each time. */
export const RETRY_MS = 50;
export const RETRY_MAX_MS = 1_000;
