import type { FeedRow, Log, LogFeed } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { ConsumerParts } from './consumer-parts.ts';
import { LagWatch } from './lag.ts';
import { RELAY_LIMITS, type RelayLimits } from './limits.ts';
import type { RelayMetrics } from './metrics.ts';
import { Seats } from './seats.ts';

/** A nudge says nothing about the part, and each costs a read of every part that is here: with many of them, nudges are gathered. */
const GATHER_NUDGES_MS = 50;

/** Who reads the whole log. */
export interface Consumer {
  /** Names its cursor: never changed, and no two have the same. */
  readonly name: string;
  /** Rows of a batch. */
  readonly batchMax: number;
  /**
   * Resolves when the rows are dealt with for good. Each comes at least once, those of a conversation in order; after a failure or a
   * takeover some come again. Called for one part once at a time, for several parts at once. Must end, also when it cannot work.
   */
  handle(rows: readonly FeedRow[]): Promise<void>;
}

export interface RelayDeps {
  readonly feed: LogFeed;
  /** Names this worker among all that share the store; no two live ones have the same. */
  readonly holder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: RelayMetrics;
  readonly limits: RelayLimits;
}

export interface RelayOptions extends Omit<RelayDeps, 'limits'> {
  readonly consumers: readonly Consumer[];
  readonly limits?: Partial<RelayLimits>;
}

/**
 * Brings the log to its consumers: the event bus, later push and search. Any number of workers share the work by leases.
 *
 * - Every row reaches every consumer at least once, those of a conversation in order. Nothing is skipped: who is behind stays behind.
 * - A part has one worker at a time; that of a worker that died is another's when its lease has ended.
 * - Consumers do not hold each other up, nor do parts.
 */
export class Relay {
  readonly #deps: RelayDeps;
  readonly #parts: readonly ConsumerParts[];
  readonly #lags: readonly LagWatch[];
  readonly #seats: Seats;
  readonly #closing = new AbortController();
  #running: Promise<unknown> | undefined;
  #nudged = false;

  constructor({ consumers, limits, ...deps }: RelayOptions) {
    this.#deps = { ...deps, limits: { ...RELAY_LIMITS, ...limits } };
    this.#seats = new Seats(this.#deps);
    this.#parts = consumers.map((consumer) => new ConsumerParts(this.#deps, consumer, this.#seats));
    this.#lags = consumers.map((consumer, i) => new LagWatch(this.#deps, consumer, (part) => this.#parts[i]!.place(part)));
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** This process has committed something: it is read at once, not at the next poll. Where the feed has many parts, within 50 ms. */
  nudge(): void {
    if (this.#deps.feed.parts === 1) this.#wake();
    else if (!this.#nudged) {
      this.#nudged = true;
      this.#deps.clock.after(GATHER_NUDGES_MS, () => this.#wake());
    }
  }

  /** Ends the batches under way, saves where they are and gives the parts back. Safe to call twice. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  #wake(): void {
    this.#nudged = false;
    for (const parts of this.#parts) parts.nudge();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    await Promise.all([this.#seats, ...this.#parts, ...this.#lags].map((service) => service.run(signal)));
  }
}
