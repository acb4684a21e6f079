import type { DownFrame, UpFrame } from '@gapless/protocol';
import type { CloseRow } from '@gapless/protocol/codes';

/** What carries the frames. */
export type TransportName = 'websocket' | 'sse';

export interface CloseCause {
  /** Of the protocol, or 1006 where nobody said why. */
  readonly code: number;
  readonly reason: string;
}

export interface TransportEvents {
  /** Frames can be sent. */
  onOpen(): void;
  onFrames(frames: readonly DownFrame[]): void;
  /** A sign of life that is no frame. */
  onAlive(): void;
  /** At most once, and the last. Never after `close`. */
  onClose(cause: CloseCause): void;
}

/**
 * A way to the server that is open, or being opened.
 *
 * - Frames arrive in the order of the calls; what a lost one still carried is of unknown outcome.
 * - No event is called before `dial` has returned.
 */
export interface Transport {
  /** False when it is not open; true promises nothing but the order. */
  send(frame: UpFrame): boolean;
  /** Shows the server a sign of life this often, where the transport does not by itself. */
  keepAlive(everyMs: number): void;
  close(code?: number): void;
}

export interface Dialer {
  readonly name: TransportName;
  dial(events: TransportEvents): Transport;
}

/** As if the server had closed with it. */
export function closedFor({ code, say }: CloseRow): CloseCause {
  return { code, reason: say };
}

export function lost(reason: string): CloseCause {
  return { code: 1006, reason };
}
