import type { Target } from '../generator/client.ts';
import type { DialectName } from '../generator/dialects.ts';
import type { Layout } from '../layout.ts';

/** A server that is measured. */
export interface System {
  readonly name: string;
  readonly dialect: DialectName;
  /** When a message is acknowledged and sent on: in memory, or after which fsync. */
  readonly durability: string;
  /** What differs from its defaults, or was left out. */
  readonly remarks: string;
  /**
   * The system whose deliveries/s bound this one's on this machine: a sink that writes the same way. Who writes once for each message and
   * socket cannot do more than the plain sink; who merges is compared with the merging one. Absent on sinks.
   */
  readonly ceiling?: string;
  /** Starts it, empty, with these rooms, or says why it cannot run here. */
  readonly start: (layout: Layout) => Promise<Running | Skipped>;
}

export interface Running {
  readonly version: string;
  /** One for each client, in order. */
  readonly targets: readonly Target[];
  /** CPU seconds so far of all its processes, the database's too. */
  cpuSec(): number;
  stop(): Promise<void>;
}

export interface Skipped {
  readonly reason: string;
}
