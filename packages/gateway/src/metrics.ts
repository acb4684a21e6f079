import type { CloseReason, ErrorCode } from '@gapless/protocol';

/** Whose token bucket was empty. */
export type Bucket = 'connection' | 'address' | 'connects' | 'user' | 'conversation';

/** What the gateway counts; the server gives it a registry. Every method is called on a hot path: no work beyond counting. */
export interface GatewayMetrics {
  connectionOpened(): void;
  connectionClosed(): void;
  frameIn(type: string): void;
  errorOut(code: ErrorCode): void;
  closed(reason: CloseReason | 'client'): void;
  /** One write with durable frames of `frames` revs. */
  delivered(frames: number, bytes: number): void;
  /** One flush, from the first frame handed in to the last write. */
  deliveryMs(ms: number): void;
  /** A connection became unwritable, and writable again or closed. */
  blocked(): void;
  unblocked(): void;
  /** Frames that a newer one replaced, or that an unwritable connection was spared. */
  ephemeralLost(how: 'merged' | 'dropped', count: number): void;
  caughtUp(rows: number): void;
  resumed(reset: boolean): void;
  /** A conversation became too large to be pushed, or stopped being so. */
  deliverySwitched(to: 'push' | 'notify' | 'none'): void;
  pulled(): void;
  /** Found an empty token bucket. */
  limited(bucket: Bucket): void;
  joinsWaiting(count: number): void;
  /** Listeners of a conversation were sent to the store for what did not come from another node. */
  repaired(): void;
}

const nothing = () => {};

export const noMetrics: GatewayMetrics = {
  connectionOpened: nothing,
  connectionClosed: nothing,
  frameIn: nothing,
  errorOut: nothing,
  closed: nothing,
  delivered: nothing,
  deliveryMs: nothing,
  blocked: nothing,
  unblocked: nothing,
  ephemeralLost: nothing,
  caughtUp: nothing,
  resumed: nothing,
  deliverySwitched: nothing,
  pulled: nothing,
  limited: nothing,
  joinsWaiting: nothing,
  repaired: nothing,
};
