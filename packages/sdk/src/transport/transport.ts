import type { DownFrame, UpFrame } from '@gapless/protocol';
import { CLOSE, type CloseRow } from '@gapless/protocol/codes';
import type { GaplessError } from '../errors.ts';

/** What carries the frames. */
export type TransportName = 'websocket' | 'sse';

export interface CloseCause {
  /** Of the protocol, or 1006 where nobody said why. */
  readonly code: number;
  readonly reason: string;
  /** Asked for by the server; 0 when it asks for patience and names no time. */
  readonly retryAfterMs?: number;
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

/** What an answer that is not the expected one says. */
export function refusal({ status, retryAfterMs = 0 }: GaplessError): CloseCause {
  if (status === 429) return { ...closedFor(CLOSE.too_many), retryAfterMs };
  if (status === 413) return closedFor(CLOSE.frame_too_large);
  const cause = lost(`status ${status}`);
  return status === 503 ? { ...cause, retryAfterMs } : cause;
}
