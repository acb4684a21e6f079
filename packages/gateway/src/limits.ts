import type { TailLimits } from './tail.ts';

/** Backpressure, read at every decision, so that each can be changed while running. Names and defaults come from seed 000. */
export interface Backpressure {
  enabled: boolean;
  /** A connection with more than this unsent gets no further push until the kernel took everything. */
  highWaterBytes: number;
  /** No progress for this long closes 4409; negative: never. */
  closeUnwritableAfterMs: number;
}

export interface GatewayLimits {
  tail: TailLimits;
  backpressure: Backpressure;
  /** Bytes of one conversation in one write: a slow reader's next step, and a quick one's share of a tick. */
  runMaxBytes: number;
  /** Log rows read at once for a connection that is behind the tail. */
  catchUpRows: number;
  /** Work of one flush before other events get their turn: a large room must not stall the loop. */
  sliceMs: number;
  /** `conversation` notices of one conversation at most this often. */
  noticeMs: number;
}

const KiB = 1024;

export const GATEWAY_LIMITS: GatewayLimits = {
  tail: { maxBytes: 256 * KiB, maxAgeMs: 2_000 },
  backpressure: { enabled: true, highWaterBytes: 512 * KiB, closeUnwritableAfterMs: 3_000 },
  runMaxBytes: 64 * KiB,
  catchUpRows: 200,
  sliceMs: 8,
  noticeMs: 250,
};
