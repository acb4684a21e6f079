import type { Clock } from '@gapless/kit';
import type { AcceptLog } from '../ports/accept-log.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';
import type { Writer } from '../writer.ts';
import type { TwoPhaseMetrics } from './metrics.ts';
import type { UnsavedMessages } from './unsaved.ts';

/** Read at every decision. */
export interface TwoPhaseRules {
  readonly enabled: boolean;
  /** Of conversations, 0 to 100. */
  readonly percent: number;
  readonly deliverBeforeSaved: boolean;
  /** Without the accept log the store takes the sends; else they are refused until it is back. */
  readonly failOpen: boolean;
}

export interface EpochDeps {
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly accept: AcceptLog;
  readonly writer: Pick<Writer, 'append'>;
  readonly unsaved: UnsavedMessages;
  readonly rules: TwoPhaseRules;
  readonly metrics: TwoPhaseMetrics;
  /** 0 to 1. */
  readonly random: () => number;
}
