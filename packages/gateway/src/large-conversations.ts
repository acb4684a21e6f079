import type { Clock } from '@gapless/kit';
import type { Channel } from './channel.ts';
import type { Flusher } from './flusher.ts';
import { Frame } from './frame.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import { deliveryOf } from './strategy.ts';
import type { Subscription } from './subscription.ts';

/** Between two looks at one conversation's size. */
const REVIEW_MS = 1_000;

/** Of a server's time for one pull, three times over: the pulls after a notice are spread so that they take a third of a core. */
const SPREAD_MS_PER_LISTENER = 0.3;
/** Sooner than this, a notice and a pull cost more than the messages. */
const NOTIFY_MIN_MS = 250;
/** Nobody who looks waits longer for news. */
const NOTIFY_MAX_MS = 3_000;
/** How often a client looks into a conversation that tells it nothing. */
const NONE_MS = 5_000;

export interface LargeConversationsOptions {
  clock: Clock;
  limits: GatewayLimits;
  metrics: GatewayMetrics;
  flusher: Flusher;
  /** Participants of a conversation; undefined when not known here. */
  membersOf(cid: string): number | undefined;
  /** Delivers to a subscription again what it was not pushed. */
  mark(subscription: Subscription): void;
}

/** Decides which conversations are too large to be pushed, and tells connections that can pull. All others are pushed whatever the size. */
export class LargeConversations {
  readonly #options: LargeConversationsOptions;

  constructor(options: LargeConversationsOptions) {
    this.#options = options;
  }

  /** Looks at the conversation's size, now and then, and switches. */
  review(channel: Channel): void {
    const now = this.#options.clock.elapsed();
    if (now - channel.decidedAt < REVIEW_MS) return;
    const { strategy } = this.#options.limits;
    const members = this.#options.membersOf(channel.cid);
    // Not known yet: it stays as it is, and the next look comes soon.
    if (members === undefined && strategy.mode === 'auto') return;
    channel.decidedAt = now;
    const size = { members: members ?? 0, online: usersOf(channel, strategy.onlineUserThreshold) };
    const delivery = deliveryOf(strategy, size, channel.delivery);
    if (delivery !== channel.delivery) this.#switch(channel, delivery);
  }

  /** Something came to a conversation that is not pushed. */
  news(channel: Channel): void {
    if (channel.delivery !== 'notify' || channel.noticed) return;
    channel.noticed = true;
    const told = channel.tail?.head ?? 0;
    const frame = headFrame(channel);
    for (const subscription of channel.subscriptions) if (subscription.joined && subscription.pulls) this.#tell(subscription, frame);
    this.#options.clock.after(waitMsOf(channel), () => {
      channel.noticed = false;
      if ((channel.tail?.head ?? 0) > told) this.news(channel);
    });
  }

  /** Right after `joined`. */
  greet(subscription: Subscription): void {
    this.review(subscription.channel);
    if (subscription.pulls) this.#tell(subscription, headFrame(subscription.channel));
  }

  /** The subscription gets what there is now, and its client what comes later by asking again. */
  pull(subscription: Subscription): void {
    subscription.pulledTo = subscription.channel.tail?.head ?? 0;
    this.#options.metrics.pulled();
    this.#options.mark(subscription);
  }

  #switch(channel: Channel, delivery: Channel['delivery']): void {
    channel.delivery = delivery;
    this.#options.metrics.deliverySwitched(delivery);
    const frame = headFrame(channel);
    for (const subscription of channel.subscriptions) {
      if (!subscription.session.pulls || !subscription.joined) continue;
      // What was committed before the switch was promised a push.
      subscription.pulledTo = Math.max(subscription.pulledTo, channel.tail?.head ?? 0);
      this.#tell(subscription, frame);
      this.#options.mark(subscription);
    }
  }

  #tell(subscription: Subscription, frame: Frame): void {
    const { session, channel, ending } = subscription;
    if (!ending) this.#options.flusher.merge(session, `head ${channel.cid}`, frame, { droppable: false });
  }
}

/** How long the tail of a conversation is asked for: pulls come late, and should not have to read the store. */
export function keepMsOf(channel: Channel): number {
  return channel.delivery === 'push' ? 0 : 3 * waitMsOf(channel);
}

function headFrame(channel: Channel): Frame {
  const { cid, head, tail, delivery } = channel;
  return Frame.of({ t: 'head', cid, head, rev: tail?.head ?? 0, mode: delivery, waitMs: delivery === 'push' ? 0 : waitMsOf(channel) });
}

function waitMsOf({ delivery, subscriptions }: Channel): number {
  const spreadMs = Math.round(subscriptions.size * SPREAD_MS_PER_LISTENER);
  return delivery === 'none' ? Math.max(NONE_MS, spreadMs) : Math.min(NOTIFY_MAX_MS, Math.max(NOTIFY_MIN_MS, spreadMs));
}

/** Users listening here; a user's devices do not count twice. Not counted where even the connections are fewer than `enough`. */
function usersOf({ subscriptions }: Channel, enough: number): number {
  if (subscriptions.size < enough / 2) return subscriptions.size;
  return new Set(Array.from(subscriptions, ({ session }) => session.actor?.uid)).size;
}
