/** How one direction of a link treats packets. */
export interface LinkProfile {
  /** Shares of the packets, 0 to 1. */
  readonly loss: number;
  readonly duplicate: number;
  /** These leave without the delay, and so overtake others. */
  readonly reorder: number;
  /** One way. Jitter is added or taken away, evenly spread; order is kept. */
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Of each connection. Absent: as fast as it goes. */
  readonly bitsPerSec?: number;
}

/** A link to whose ends nothing happens. */
export const CLEAN: LinkProfile = { loss: 0, duplicate: 0, reorder: 0, delayMs: 0, jitterMs: 0 };

/** The networks of the drill, from a crowded café to a train in a tunnel. */
export const BAD_NETWORKS = {
  'loss-10': { ...CLEAN, loss: 0.1, delayMs: 100, jitterMs: 20 },
  'loss-30': { ...CLEAN, loss: 0.3, delayMs: 100, jitterMs: 50 },
  'slow-800': { ...CLEAN, loss: 0.02, delayMs: 400, jitterMs: 100 },
  mixed: { loss: 0.1, duplicate: 0.05, reorder: 0.1, delayMs: 150, jitterMs: 50 },
  // What GPRS gives on a good day.
  '2g': { ...CLEAN, loss: 0.02, delayMs: 300, jitterMs: 100, bitsPerSec: 64_000 },
} as const satisfies Record<string, LinkProfile>;

export type BadNetwork = keyof typeof BAD_NETWORKS;
