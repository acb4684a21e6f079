import { ChatError, type ConversationReads, type Log, type ReplayPage } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { packPage } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Session } from './session.ts';
import { shareReplays } from './shared-reads.ts';
import type { Subscription } from './subscription.ts';
import { Turns } from './turns.ts';

export type CatchUpReads = Pick<ConversationReads, 'replay'>;

export interface CatchUpOptions {
  reads: CatchUpReads;
  clock: Clock;
  log: Log;
  limits: GatewayLimits;
  metrics: GatewayMetrics;
}

/** Pages read at a time, over all connections: one being read and one being asked for. */
const PAGES_AT_ONCE = 2;

/** How long after a live message reading on takes only half of the time. */
const LIVE_MS = 100;

/** Laggards rest so many times as long as they worked. */
const LAGGARDS_REST = 9;

interface Lane {
  readonly turns: Turns;
  readonly restFactor: number;
  workedMs: number;
}

type ReplayOptions = Parameters<CatchUpReads['replay']>[1];

/** Wait before a failed read is tried again. */
const RETRY_MS = 500;

/** What one page comes to at most, one row aside: rows are as many as the last page's sizes suggest. */
const PAGE_BYTES = 128 * 1024;

/**
 * Reads the next page for a subscription whose position is older than the tail, writes it, and hands the subscription back to the
 * flusher. One page at a time for a connection, and only while it takes them: a slow reader costs one page of memory.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #replay: CatchUpReads['replay'];
  readonly #others: Lane = { turns: new Turns(PAGES_AT_ONCE), restFactor: 1, workedMs: 0 };
  readonly #laggards: Lane = { turns: new Turns(1), restFactor: LAGGARDS_REST, workedMs: 0 };
  #liveAt = Number.NEGATIVE_INFINITY;
  readonly #done: (subscription: Subscription) => void;

  constructor(options: CatchUpOptions, onDone: (subscription: Subscription) => void) {
    this.#options = options;
    this.#replay = shareReplays((...args) => options.reads.replay(...args), options.clock);
    this.#done = onDone;
  }

  /** Live messages go out now: who catches up leaves them their share of the machine. */
  live(): void {
    this.#liveAt = performance.now();
  }

  /** Some pages at a time; beside live messages, with rests. Laggards have a lane of their own, with longer ones. */
  #read(session: Session, cid: string, options: ReplayOptions): Promise<ReplayPage> {
    const { clock, limits } = this.#options;
    const lane = session.laggard ? this.#laggards : this.#others;
    return lane.turns.run(async () => {
      const started = performance.now();
      const page = await this.#replay(cid, options);
      const now = performance.now();
      lane.workedMs = now - this.#liveAt < LIVE_MS ? lane.workedMs + now - started : 0;
      if (lane.workedMs >= limits.catchUpShareMs) {
        const restMs = Math.round(lane.workedMs * lane.restFactor);
        lane.workedMs = 0;
        await clock.sleep(restMs);
      }
      return page;
    });
  }

  /** Pauses the subscription, and any other page for its session, until the page is written. */
  start(subscription: Subscription): void {
    subscription.paused = true;
    subscription.session.paging = true;
    void this.#page(subscription);
  }

  async #page(subscription: Subscription): Promise<void> {
    const { log, clock } = this.#options;
    const { session } = subscription;
    try {
      const moved = await (subscription.since === undefined ? this.#changes(subscription) : this.#messages(subscription));
      if (!moved && !this.#isFull(session)) await clock.sleep(RETRY_MS);
    } catch (error) {
      // The position did not move: the same page is read again.
      if (!(error instanceof ChatError)) log.error({ err: error, cid: subscription.channel.cid }, 'catch-up failed');
      await clock.sleep(RETRY_MS);
    }
    subscription.paused = false;
    session.paging = false;
    this.#done(subscription);
  }

  /** Whether the position moved. */
  async #changes(subscription: Subscription): Promise<boolean> {
    const { cid } = subscription.channel;
    const page = await this.#read(subscription.session, cid, {
      by: 'rev',
      after: subscription.position,
      limit: this.#rows(subscription),
      maxBytes: PAGE_BYTES,
    });
    endAtRemoval(subscription, page);
    const count = countOf(page, ({ revs }, i) => revs[i]! <= subscription.lastRev);
    if (count === 0) return subscription.closed;
    const wrote = this.#write(subscription, page, count, () => {
      subscription.position = page.revs[count - 1]!;
    });
    return wrote || subscription.closed;
  }

  async #messages(subscription: Subscription): Promise<boolean> {
    const phase = subscription.since!;
    const { cid } = subscription.channel;
    const page = await this.#read(subscription.session, cid, {
      by: 'seq',
      after: phase.seq,
      limit: this.#rows(subscription),
      maxBytes: PAGE_BYTES,
    });
    const count = countOf(page, ({ revs }, i) => phase.seq + 1 + i <= phase.until && revs[i]! <= subscription.lastRev);
    const move = () => {
      phase.seq = count === 0 ? phase.until : phase.seq + count;
      if (phase.seq < phase.until) return;
      subscription.position = phase.thenRev;
      subscription.since = undefined;
    };
    if (count > 0) return this.#write(subscription, page, count, move) || subscription.closed;
    // What was accepted at the join is just being brought into the store: it is there in a moment.
    if (page.ends.length === 0 && !subscription.ending) return subscription.closed;
    move();
    return true;
  }

  #rows({ pageRows }: Subscription): number {
    return pageRows ?? this.#options.limits.catchUpRows;
  }

  /** From the high water mark down to the low one, as for all that is written. */
  #isFull({ transport, blockedAt }: Session): boolean {
    const { enabled, dropWhenUnwritable, highWaterBytes } = this.#options.limits.backpressure;
    return enabled && dropWhenUnwritable && (blockedAt !== undefined || transport.bufferedBytes >= highWaterBytes);
  }

  /**
   * False when the connection filled up meanwhile, or ended: nothing was written. `move` sets the position, which the transport may tell
   * of with the page.
   */
  #write(subscription: Subscription, page: ReplayPage, count: number, move: () => void): boolean {
    const { metrics, limits } = this.#options;
    const { session } = subscription;
    if (subscription.closed || session.closed || this.#isFull(session)) return false;
    const bytes = packPage(page, count, session.transport.encoding);
    metrics.caughtUp(count);
    metrics.delivered(count, bytes.length);
    move();
    session.moved = true;
    session.transport.write(bytes);
    const fitting = Math.floor((PAGE_BYTES * count) / bytes.length);
    subscription.pageRows = Math.max(1, Math.min(limits.catchUpRows, fitting));
    if (subscription.since === undefined && subscription.behind === 0) session.laggard = false;
    return true;
  }
}

/** How many rows from the first on are `allowed`. */
function countOf(page: ReplayPage, allowed: (page: ReplayPage, i: number) => boolean): number {
  let count = 0;
  while (count < page.revs.length && allowed(page, count)) count++;
  return count;
}

/** The store may be read before this process was told of the commit: a removal among the rows counts at once. */
function endAtRemoval(subscription: Subscription, { removals }: ReplayPage): void {
  const uid = subscription.session.actor?.uid ?? '';
  for (const { rev, users } of removals)
    if (rev > subscription.grantedRev && users.includes(uid)) subscription.lastRev = Math.min(subscription.lastRev, rev);
}
