import type { Store } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import type { Logger } from 'pino';
import type { Metrics } from './metrics.ts';
import type { Config } from './settings.ts';

/** What every role of the server has. */
export interface Base {
  readonly config: Config;
  readonly log: Logger;
  readonly clock: Clock;
  /** This process among the nodes. */
  readonly node: string;
  readonly store: Store;
  readonly metrics: Metrics;
}

/** A part of the server that runs. */
export interface Part {
  /** Where it listens. */
  readonly port: number;
  /** Ends it in good order. */
  close(): Promise<void>;
}
