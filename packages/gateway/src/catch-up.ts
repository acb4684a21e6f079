import { ChatError, type ConversationReads, type Log, renderMessage } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { Frame, joinFrames } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import { renderEntry } from './render-entry.ts';
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

/**
 * Reads the next page for a subscription whose position is older than the tail, writes it, and hands the subscription back to the
 * flusher. One page at a time, and only while the connection takes it: a slow reader costs one page of memory.
 */
export class CatchUp {
  readonly #options: CatchUpOptions;
  readonly #mark: (subscription: Subscription) => void;

  constructor(options: CatchUpOptions, mark: (subscription: Subscription) => void) {
    this.#options = options;
    this.#mark = mark;
  }

  /** Pauses the subscription until its page is written. */
  start(subscription: Subscription): void {
    subscription.paused = true;
    void this.#page(subscription);
  }

  async #page(subscription: Subscription): Promise<void> {
    const { log, clock } = this.#options;
    try {
      await (subscription.since === undefined ? this.#changes(subscription) : this.#messages(subscription));
    } catch (error) {
      // The position did not move: the same page is read again.
      if (!(error instanceof ChatError)) log.error({ err: error, cid: subscription.channel.cid }, 'catch-up failed');
      await clock.sleep(RETRY_MS);
    }
    subscription.paused = false;
    this.#mark(subscription);
  }

  async #changes(subscription: Subscription): Promise<void> {
    const { reads, limits } = this.#options;
    const rows = await reads.changes(subscription.channel.cid, { after: subscription.position, limit: limits.catchUpRows });
    const allowed = rows.filter((row) => row.rev <= subscription.lastRev);
    const last = allowed.at(-1);
    if (last === undefined || subscription.closed) return;
    this.#write(subscription, allowed.map(renderEntry));
    subscription.position = last.rev;
  }

  async #messages(subscription: Subscription): Promise<void> {
    const { reads, limits } = this.#options;
    const phase = subscription.since!;
    const page = await reads.messages(subscription.channel.cid, { after: phase.seq, limit: limits.catchUpRows });
    if (subscription.closed) return;
    const items = page.filter((message) => message.seq <= phase.until);
    if (items.length > 0) {
      this.#write(
        subscription,
        items.map((message) => new Frame(renderMessage(message, true))),
      );
    }
    phase.seq = items.at(-1)?.seq ?? phase.until;
    if (phase.seq < phase.until) return;
    subscription.position = phase.thenRev;
    subscription.since = undefined;
  }

  #write({ session }: Subscription, frames: Frame[]): void {
    const { metrics } = this.#options;
    const bytes = joinFrames(frames, session.transport.encoding);
    metrics.caughtUp(frames.length);
    metrics.delivered(frames.length, bytes.length);
    if (!session.closed) session.transport.write(bytes);
  }
}
