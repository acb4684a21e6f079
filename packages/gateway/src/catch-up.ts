import { ChatError, type ConversationReads, type Log, type LogEntry, renderMessage } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { Frame, joinFrames } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import { renderEntry } from './render-entry.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';

export type CatchUpReads = Pick<ConversationReads, 'changes' | 'messages'>;

export interface CatchUpOptions {
  reads: CatchUpReads;
  clock: Clock;
  log: Log;
  limits: GatewayLimits;
  metrics: GatewayMetrics;
}

/** Wait before a failed read is tried again. */
const RETRY_MS = 500;

/** What one page should come to: rows are as many as the last page's sizes suggest. */
const PAGE_BYTES = 256 * 1024;

/**
 * Reads the next page for a subscription whose position is older than the tail, writes it, and hands the subscription back to the
 * flusher. One page at a time for a connection, and only while it takes them: a slow reader costs one page of memory.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #done: (subscription: Subscription) => void;

  constructor(options: CatchUpOptions, onDone: (subscription: Subscription) => void) {
    this.#options = options;
    this.#done = onDone;
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
    const rows = await this.#options.reads.changes(subscription.channel.cid, {
      after: subscription.position,
      limit: this.#rows(subscription),
    });
    endAtRemoval(subscription, rows);
    const allowed = rows.filter((row) => row.rev <= subscription.lastRev);
    const last = allowed.at(-1);
    if (last === undefined || !this.#write(subscription, allowed.map(renderEntry))) return subscription.closed;
    subscription.position = last.rev;
    return true;
  }

  async #messages(subscription: Subscription): Promise<boolean> {
    const phase = subscription.since!;
    const page = await this.#options.reads.messages(subscription.channel.cid, { after: phase.seq, limit: this.#rows(subscription) });
    const items = page.filter((message) => message.seq <= phase.until && message.rev <= subscription.lastRev);
    const frames = items.map((message) => new Frame(renderMessage(message, true)));
    if (frames.length > 0 && !this.#write(subscription, frames)) return subscription.closed;
    phase.seq = items.at(-1)?.seq ?? phase.until;
    if (phase.seq < phase.until) return true;
    subscription.position = phase.thenRev;
    subscription.since = undefined;
    return true;
  }

  #rows({ pageRows }: Subscription): number {
    return pageRows ?? this.#options.limits.catchUpRows;
  }

  #isFull({ transport }: Session): boolean {
    const { enabled, highWaterBytes } = this.#options.limits.backpressure;
    return enabled && transport.bufferedBytes >= highWaterBytes;
  }

  /** False when the connection filled up meanwhile, or ended: nothing was written. */
  #write(subscription: Subscription, frames: Frame[]): boolean {
    const { metrics, limits } = this.#options;
    const { session } = subscription;
    if (subscription.closed || session.closed || this.#isFull(session)) return false;
    const bytes = joinFrames(frames, session.transport.encoding);
    metrics.caughtUp(frames.length);
    metrics.delivered(frames.length, bytes.length);
    session.transport.write(bytes);
    const fitting = Math.floor((PAGE_BYTES * frames.length) / bytes.length);
    subscription.pageRows = Math.max(1, Math.min(limits.catchUpRows, fitting));
    return true;
  }
}

/** The store may be read before this process was told of the commit: a removal among the rows counts at once. */
function endAtRemoval(subscription: Subscription, rows: readonly LogEntry[]): void {
  const uid = subscription.session.actor?.uid ?? '';
  for (const row of rows) {
    if (row.op !== 'change' || row.detail.op !== 'participants_removed' || row.rev <= subscription.grantedRev) continue;
    if (row.detail.users.includes(uid)) subscription.lastRev = Math.min(subscription.lastRev, row.rev);
  }
}
