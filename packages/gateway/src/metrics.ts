import type { CloseReason, ErrorCode } from '@gapless/protocol';

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
  blocked(): void;
  caughtUp(rows: number): void;
  resumed(reset: boolean): void;
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
  caughtUp: nothing,
  resumed: nothing,
};
