import type { FeedRow, Log, LogFeed } from '@gapless/core';
import { Backoff, type Clock } from '@gapless/kit';
import type { RelayLimits } from './limits.ts';
import type { RelayMetrics } from './metrics.ts';
import type { Consumer } from './relay.ts';
import { Wake } from './wake.ts';

export interface PartLoopOptions {
  readonly feed: LogFeed;
  readonly consumer: Consumer;
  readonly part: number;
  /** Held by `holder` when the loop starts. */
  readonly lease: string;
  readonly holder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: RelayMetrics;
  readonly limits: RelayLimits;
}

/**
 * One part of the log on its way to one consumer, as long as this worker has its lease.
 *
 * 1. Reads the cursor.
 * 2. Reads rows behind it, hands them over, and goes on behind them. A batch that fails is tried again until it goes through.
 * 3. Saves the cursor now and then. Who comes next begins there: what was not saved is handed over again.
 *
 * Ends when the lease is another's, or on `stop`: then the cursor is saved and the lease given back. No batch is begun without the lease.
 */
export class PartLoop {
  readonly #options: PartLoopOptions;
  readonly #wake: Wake;
  readonly #retry: Backoff;
  /** Ends by the own clock: counted from before the store was asked. */
  #leaseUntil: number;
  #lost = false;
  #stopping = false;
  /** Id of the last row that the consumer is done with. */
  #place: number | undefined;
  #saved = 0;
  #savedAt: number;
  #pollMs: number;
  #failing = false;

  constructor(options: PartLoopOptions, leaseUntil: number) {
    const { clock, limits } = options;
    this.#options = options;
    this.#wake = new Wake(clock);
    this.#retry = new Backoff({ baseMs: limits.retryBaseMs, maxMs: limits.retryMaxMs, random: Math.random });
    this.#leaseUntil = leaseUntil;
    this.#savedAt = clock.elapsed();
    this.#pollMs = limits.pollMinMs;
  }

  /** Where the consumer is, if that is known already; newer than what is saved. */
  get place(): number | undefined {
    return this.#place;
  }

  /** There may be new rows. */
  nudge(): void {
    this.#pollMs = this.#options.limits.pollMinMs;
    this.#wake.call();
  }

  /** Ends it after the batch under way. */
  stop(): void {
    this.#stopping = true;
    this.#wake.call();
  }

  /** Resolves when it has ended. */
  async run(): Promise<void> {
    const { clock, limits } = this.#options;
    let renewing: Promise<void> | undefined;
    const stopRenewing = clock.every(limits.leaseTtlMs / 3, () => {
      renewing = this.#renew();
    });
    try {
      while (!this.#stopping && !this.#lost) await this.#step();
    } finally {
      stopRenewing();
    }
    // One under way would take the lease again right after it was given back.
    await renewing;
    await this.#giveBack();
  }

  async #step(): Promise<void> {
    this.#wake.forget();
    try {
      this.#place ??= this.#saved = await this.#options.feed.cursor(this.#options.consumer.name, this.#options.part);
      const rows = await this.#next(this.#place);
      if (rows.length > 0 && (await this.#mayGoOn())) await this.#handOver(rows);
      if (this.#unsavedMs() >= this.#options.limits.saveEveryMs) await this.#save();
      this.#worked();
      if (rows.length === 0) await this.#idle();
    } catch (error) {
      await this.#failed(error);
    }
  }

  #next(after: number): Promise<FeedRow[]> {
    const { feed, part, consumer } = this.#options;
    return feed.feed(part, { after, limit: consumer.batchMax });
  }

  /** Asked right before the rows go out: the process may have stood still since it read them. */
  async #mayGoOn(): Promise<boolean> {
    const { clock } = this.#options;
    if (clock.elapsed() >= this.#leaseUntil) await this.#renew();
    if (this.#lost || this.#stopping) return false;
    if (clock.elapsed() >= this.#leaseUntil) throw new Error('the lease cannot be renewed');
    return true;
  }

  async #handOver(rows: readonly FeedRow[]): Promise<void> {
    const { consumer, metrics } = this.#options;
    await consumer.handle(rows);
    this.#place = rows.at(-1)!.id;
    this.#pollMs = this.#options.limits.pollMinMs;
    metrics.published(consumer.name, rows.length);
  }

  /** How long something has waited to be saved; 0: nothing does. */
  #unsavedMs(): number {
    return this.#place === undefined || this.#place === this.#saved ? 0 : this.#options.clock.elapsed() - this.#savedAt;
  }

  async #save(): Promise<void> {
    const { feed, consumer, part, lease, holder, clock } = this.#options;
    const id = this.#place!;
    if (!(await feed.saveCursor(consumer.name, part, { id, lease, holder }))) this.#lose();
    this.#saved = id;
    this.#savedAt = clock.elapsed();
  }

  async #idle(): Promise<void> {
    const { clock, limits } = this.#options;
    const poll = this.#pollMs;
    this.#pollMs = Math.min(limits.pollMaxMs, poll * 2);
    const unsaved = this.#place !== this.#saved;
    const waitMs = unsaved ? Math.min(poll, Math.max(1, limits.saveEveryMs - this.#unsavedMs())) : poll;
    if (!unsaved) this.#savedAt = clock.elapsed();
    await this.#wake.wait(waitMs);
  }

  #worked(): void {
    if (!this.#failing) return;
    this.#failing = false;
    this.#retry.reset();
    const { log, consumer, part } = this.#options;
    log.info({ consumer: consumer.name, part }, 'relay: the consumer takes the log again');
  }

  async #failed(error: unknown): Promise<void> {
    const { log, metrics, consumer, part } = this.#options;
    metrics.failed(consumer.name);
    if (!this.#failing)
      log.warn({ err: error, consumer: consumer.name, part }, 'relay: a batch failed and is tried again until it goes through');
    this.#failing = true;
    const until = this.#options.clock.elapsed() + this.#retry.next();
    // New rows are no reason to try earlier.
    while (!this.#stopping && !this.#lost && this.#options.clock.elapsed() < until) {
      this.#wake.forget();
      await this.#wake.wait(until - this.#options.clock.elapsed());
    }
  }

  /** Keeps the lease; when the store does not answer, it lasts for what is left of it. */
  async #renew(): Promise<void> {
    const { feed, lease, holder, clock, limits } = this.#options;
    const askedAt = clock.elapsed();
    try {
      if (await feed.acquireLease(lease, holder, limits.leaseTtlMs)) this.#leaseUntil = askedAt + limits.leaseTtlMs;
      else this.#lose();
    } catch {
      // The loop meets the same store, and says so.
    }
  }

  #lose(): void {
    this.#lost = true;
    this.#wake.call();
  }

  async #giveBack(): Promise<void> {
    const { feed, lease, holder, log, consumer, part } = this.#options;
    if (this.#lost) return log.warn({ consumer: consumer.name, part }, 'relay: the part is no longer this worker’s');
    // What fails here costs little: the lease ends by itself, and the next one begins where the cursor is.
    const warn = (error: unknown) => log.warn({ err: error, consumer: consumer.name, part }, 'relay: the part could not be given back');
    if (this.#place !== undefined && this.#place !== this.#saved) await this.#save().catch(warn);
    await feed.releaseLease(lease, holder).catch(warn);
  }
}
