import type { Layout } from '../layout.ts';
import type { Target } from './client.ts';
import type { DialectName } from './dialects.ts';
import type { Schedule } from './schedule.ts';

/** What a thread of the generator is started with. */
export interface ThreadInput {
  readonly thread: number;
  readonly threads: number;
  readonly layout: Layout;
  readonly dialect: DialectName;
  /** Of its own clients, in their order. */
  readonly targets: readonly Target[];
  /** `PROGRESS.fields` numbers for each thread, written by it, read by the bench. */
  readonly progress: SharedArrayBuffer;
}

/** Where in a thread's part of the shared memory what stands. */
export const PROGRESS = { sent: 0, received: 1, acked: 2, closed: 3, fields: 4 } as const;

/** `halt`: nothing more is sent; `finish`: what was counted is told. */
export type ToThread = { t: 'step'; schedule: Schedule } | { t: 'halt' } | { t: 'finish' } | { t: 'end' };

export type FromThread = { t: 'ready' } | ({ t: 'counted' } & Counted);

interface Histogram {
  readonly buckets: Float64Array;
  readonly maxUs: number;
}

export interface Counted {
  readonly sent: number;
  readonly received: number;
  readonly acked: number;
  readonly lost: number;
  readonly misplaced: number;
  readonly misread: number;
  readonly e2e: Histogram;
  readonly firstSec: Histogram;
  readonly lastSec: Histogram;
  readonly ack: Histogram;
  readonly lag: Histogram;
}
