import type { ChangeDetail, LogEntry } from './model.ts';
import { renderEntry } from './replay.ts';

/** Someone's position moved. `delivered` is the maximum over the user's devices. */
export interface Receipt {
  readonly op: 'read' | 'delivered';
  readonly cid: string;
  readonly uid: string;
  readonly pos: number;
}

/** A log row as caches and listeners hear of it: what they need of it, and the frame that clients get. */
export type CommittedEntry =
  | {
      readonly op: 'message';
      readonly cid: string;
      readonly rev: number;
      readonly seq: number;
      readonly from: string;
      readonly text: string;
    }
  | {
      readonly op: 'change';
      readonly cid: string;
      readonly rev: number;
      readonly by: string;
      readonly detail: ChangeDetail;
      readonly text: string;
    };

/** A rev that is in the store: who knows an older one has something to read there. */
export interface KnownRev {
  readonly cid: string;
  readonly rev: number;
}

/** What was accepted in that epoch is saved up to that rev. */
export interface SavedRev extends KnownRev {
  readonly epoch: number;
}

/** What one batch changed, told after it is durable. Of one process, entries of a conversation are in rev order, over batches too. */
export interface Committed {
  readonly entries: readonly CommittedEntry[];
  readonly receipts: readonly Receipt[];
  /** Of entries that are not here: the store had them already. */
  readonly revs: readonly KnownRev[];
  /** Of messages that are not here: they are accepted. Absent: none. */
  readonly accepted?: readonly KnownRev[];
  /** Of messages that were accepted and are saved now, up to these revs. Absent: none. */
  readonly saved?: readonly SavedRev[];
}

export type CommittedListener = (committed: Committed) => void;

/** The entry as it is told; its frame is rendered when the first one asks for it. */
export function committedEntry(entry: LogEntry): CommittedEntry {
  return entry.op === 'message' ? new MessageCommitted(entry) : new ChangeCommitted(entry);
}

class Rendered<E extends LogEntry> {
  protected readonly entry: E;
  #text: string | undefined;

  constructor(entry: E) {
    this.entry = entry;
  }

  get cid(): string {
    return this.entry.cid;
  }

  get rev(): number {
    return this.entry.rev;
  }

  get text(): string {
    return (this.#text ??= renderEntry(this.entry));
  }
}

class MessageCommitted extends Rendered<LogEntry & { op: 'message' }> {
  readonly op = 'message';

  get seq(): number {
    return this.entry.message.seq;
  }

  get from(): string {
    return this.entry.message.from;
  }
}

class ChangeCommitted extends Rendered<LogEntry & { op: 'change' }> {
  readonly op = 'change';

  get by(): string {
    return this.entry.by;
  }

  get detail(): ChangeDetail {
    return this.entry.detail;
  }
}
