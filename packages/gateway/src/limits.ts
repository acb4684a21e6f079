import { STRATEGY, type StrategyRules } from './strategy.ts';
import type { TailLimits } from './tail.ts';

/**
 * Backpressure of one connection. Read at every decision, so that each can be changed while running. Names and defaults come from
 * seed 000; what it calls dropping is, for durable frames, keeping the position and going on later.
 */
export interface Backpressure {
  /** Off: everything is written at once, however much waits already, and nobody is closed for it. */
  enabled: boolean;
  /** A connection that rose above the high mark is written to again at this many unsent bytes. */
  lowWaterBytes: number;
  /** A connection with this many unsent bytes or more is not writable. */
  highWaterBytes: number;
  /** No progress for this long while not writable closes 4409; negative: never. */
  closeUnwritableAfterMs: number;
  /** Nothing is written to a connection that is not writable: durable frames wait at its position, ephemeral ones are dropped. */
  dropWhenUnwritable: boolean;
}

export interface GatewayLimits {
  tail: TailLimits;
  backpressure: Backpressure;
  strategy: StrategyRules;
  /** Bytes of one conversation in one write: a slow reader's next step, and a quick one's share of a tick. */
  runMaxBytes: number;
  /** Log rows read at once for a connection that is behind the tail. */
  catchUpRows: number;
  /** Beside live messages, reading on rests as long as it worked, in portions of this. */
  catchUpShareMs: number;
  /** Work of one flush before other events get their turn: a large room must not stall the loop. */
  sliceMs: number;
  /** `conversation` notices of one conversation at most this often. */
  noticeMs: number;
}

const KiB = 1024;

export const GATEWAY_LIMITS: GatewayLimits = {
  tail: { maxBytes: 256 * KiB, bytesPerListener: 4 * KiB, ceilingBytes: 8 * 1024 * KiB, maxAgeMs: 2_000 },
  backpressure: {
    enabled: true,
    lowWaterBytes: 256 * KiB,
    highWaterBytes: 512 * KiB,
    closeUnwritableAfterMs: 3_000,
    dropWhenUnwritable: true,
  },
  strategy: STRATEGY,
  runMaxBytes: 64 * KiB,
  catchUpRows: 200,
  catchUpShareMs: 5,
  sliceMs: 8,
  noticeMs: 250,
};
