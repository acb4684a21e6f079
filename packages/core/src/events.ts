import type { LogEntry } from './model.ts';

/** Someone's position moved. `delivered` is the maximum over the user's devices. */
export interface Receipt {
  readonly op: 'read' | 'delivered';
  readonly cid: string;
  readonly uid: string;
  readonly pos: number;
}

/** What one batch changed, told after it is durable. Entries of a conversation are in rev order, over batches too. */
export interface Committed {
  readonly entries: readonly LogEntry[];
  readonly receipts: readonly Receipt[];
}

export type CommittedListener = (committed: Committed) => void;
