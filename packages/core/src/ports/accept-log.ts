import type { SendCommand } from './store.ts';

/** A message with the numbers that the accept log gave it. */
export interface Accepted {
  readonly epoch: number;
  readonly seq: number;
  readonly rev: number;
  /** The node that accepted it. */
  readonly node: string;
  /** Without what its rights rested on. */
  readonly send: SendCommand;
}

/** What became of a mid first. */
export interface FirstOutcome {
  readonly mid: string;
  readonly seq: number;
  readonly rev: number;
  readonly at: number;
  readonly from: string;
  readonly digest: string;
}

export interface AcceptRequest {
  readonly node: string;
  readonly send: SendCommand;
  /** The store was asked for this mid within the last 5 s and had none. */
  readonly looked: boolean;
}

export type AcceptOutcome =
  /** `saved`: it is in the store, and only `dup` ones are. */
  | { readonly ok: true; readonly seq: number; readonly rev: number; readonly at: number; readonly dup: boolean; readonly saved: boolean }
  | {
      readonly ok: false;
      /**
       * - `closed`: the conversation is not open here; `opening`: another node is opening it; `held`: it is closing, or a change of it
       *   is being committed.
       * - `unsure`: this mid may be in the store and not here: look there first.
       * - `stale`: the participants changed since `membersRev`.
       * - `full`: the conversation is as far ahead of the store as it may be; `busy`: all together are.
       * - `over`: the epoch is.
       */
      readonly code: 'closed' | 'opening' | 'held' | 'unsure' | 'stale' | 'full' | 'busy' | 'over' | 'mid_conflict' | 'bad_frame';
      readonly say?: string;
    };

/** A conversation as the accept log has it. */
export interface AcceptTail {
  /** Of the opening by which it is open. */
  readonly opening: number;
  readonly head: number;
  readonly rev: number;
  /** Up to here it is in the store. */
  readonly savedHead: number;
  readonly savedRev: number;
}

/** What a conversation is opened with: from the store. */
export interface Opening {
  readonly cid: string;
  /** As `intend` gave it. */
  readonly opening: number;
  readonly head: number;
  readonly rev: number;
  readonly membersRev: number;
  /** The newest seq that may be given. */
  readonly reserved: number;
  /** Every mid of it that sorts after this one, byte by byte, is in `mids`. */
  readonly knownFrom: string;
  readonly mids: readonly FirstOutcome[];
}

/** The right to open a conversation, until another node has it. */
export interface OpeningTicket {
  /** Larger than all before in this epoch. */
  readonly opening: number;
  /** The first one in a row of which none came to its end. No number was given since. */
  readonly first: number;
}

/** One entry of a shard, as its workers read it. */
export interface ShardEntry {
  readonly id: string;
  readonly accepted: Accepted;
}

export interface SavedUpTo {
  readonly cid: string;
  readonly head: number;
  readonly rev: number;
  /** Counts where the head is news: a word about an opening before this one reserves nothing. */
  readonly reserved: number;
}

export type AcceptGroup = 'deliver' | 'save';

export interface WantedLocks {
  readonly shards: readonly number[];
  readonly most: number;
  readonly node: string;
  readonly ttlMs: number;
}

/**
 * Numbers given before the store is asked: for the conversations that are open in it, the accept log is where seq and rev come from, and
 * what was accepted waits here until it is saved. It may be lost, emptied, or set back: then `epoch` gives undefined from that moment on
 * and nothing is accepted until a new epoch begins. All of an operation happens, or nothing.
 *
 * - Within an epoch, seq and rev of an open conversation go on densely from what it was opened with, whichever node asks.
 * - `(cid, mid)` is one message: the same digest from the same sender gives the first outcome with `dup`, anything else is `mid_conflict`.
 *   The log remembers every mid that sorts after its `knownFrom`; of a mid that is a ULID after that it knows that it is new. For any other
 *   it has not, the caller must have `looked`. What it forgets lies before `knownFrom`, is saved, and was accepted over 60 s ago.
 * - Entries of a conversation are in one shard, in order. An entry stays until it is told `saved`; then it is gone.
 *
 * Methods reject with AcceptLogAway when the log cannot be reached, or did not answer: then it may have happened.
 */
export interface AcceptLog {
  readonly capabilities: {
    /** Survives the end of the log's own process, but for what its own settings let go. */
    readonly durable: boolean;
    /** Several processes work on the same log. */
    readonly multiProcess: boolean;
  };
  /** The epoch that this very run of the log was set up for. Undefined: none; it is new, was emptied, restarted, or is another server. */
  epoch(): Promise<number | undefined>;
  /** Sets this run up: from here on it is of that epoch, with no conversation open. Entries of earlier epochs stay until dropped. */
  begin(epoch: number): Promise<void>;
  /** Called when the log was away and is there again, possibly as another run. Returns a function that stops it. */
  watch(restored: () => void): () => void;

  /** The node may accept from now on. */
  admit(epoch: number, node: string): Promise<void>;
  /** Nothing more is accepted from the node, until it is admitted again. Resolves to the time of that, by the clock that `backlog` goes by. */
  bar(epoch: number, node: string): Promise<number>;
  /**
   * In order, and in the order of calls of one process. Of a node that is not admitted, all are `over`. Once one of a conversation is
   * refused, those behind it in the call are refused alike, but for `mid_conflict` and `bad_frame`.
   */
  accept(epoch: number, requests: readonly AcceptRequest[]): Promise<readonly AcceptOutcome[]>;
  /**
   * A ticket: nobody had opened the conversation, or began to more than 2 s ago; it is opening now, for the caller, who must ask the store
   * and call `open`. `opening`: another one is at it.
   */
  intend(epoch: number, cid: string): Promise<OpeningTicket | 'opening' | 'open' | 'held' | 'over'>;
  /** Ends what `intend` began, for whose ticket is the newest. Resolves to whether it is open now. */
  open(epoch: number, opening: Opening): Promise<boolean>;
  /** Nothing more is accepted for the conversation in this opening: it is held until it is closed. Its tail, undefined where it was not open. */
  hold(epoch: number, cid: string): Promise<AcceptTail | undefined>;
  /**
   * The conversation is closed, and nobody opens it for so long. Only when the store knows that it is closed. Where it is not held in that
   * opening, nothing happens.
   */
  close(epoch: number, cid: string, options: { opening: number; holdMs: number }): Promise<void>;

  /** One per cid, in order; undefined where it is not open. */
  tails(epoch: number, cids: readonly string[]): Promise<(AcceptTail | undefined)[]>;
  /** Entries that are not saved, with a larger rev, ascending, at most `limit`. */
  pending(epoch: number, cid: string, options: { after: number; limit: number }): Promise<Accepted[]>;

  /** Shards are numbered from 0; fixed for the life of an epoch. */
  shards(): Promise<number>;
  /**
   * Locks of a group for the node, or a longer life for its own: of these shards, in their order, those that nobody else has, at most `most`.
   * Resolves to those; its own that are not among them keep the life they have.
   */
  lock(epoch: number, group: AcceptGroup, wanted: WantedLocks): Promise<number[]>;
  unlock(epoch: number, group: AcceptGroup, shard: number, node: string): Promise<void>;
  /** Entries that no worker of the group has read, in order, at most `count` of each shard; waits for the first one up to `blockMs`. They are pending for `node` then. */
  read(
    epoch: number,
    group: AcceptGroup,
    options: { shards: readonly number[]; node: string; count: number; blockMs: number },
  ): Promise<{ shard: number; entries: ShardEntry[] }[]>;
  /** Takes over what workers of the group have read and not finished, in order, from the oldest; at most `count`. Those of `node` itself too. */
  reclaim(epoch: number, group: AcceptGroup, options: { shard: number; node: string; count: number }): Promise<ShardEntry[]>;
  /** The `deliver` group is done with them; they stay. */
  delivered(epoch: number, shard: number, ids: readonly string[]): Promise<void>;
  /** They are in the store: they leave the log, in every group, and each conversation is told how far it is saved and what it may give. */
  saved(epoch: number, shard: number, ids: readonly string[], upTo: readonly SavedUpTo[]): Promise<void>;

  /** Entries that are not saved, of all conversations, and since when the oldest waits (epoch milliseconds). */
  backlog(epoch: number): Promise<{ entries: number; oldestAt?: number }>;
  /** Epochs before that one of which entries are here. */
  leftovers(epoch: number): Promise<number[]>;
  /** Entries of an epoch, whether it is over or not, behind `after` ('' from the oldest) of one shard, in order. Where the log was set back, those that it still has. */
  entries(epoch: number, shard: number, options: { after: string; limit: number }): Promise<ShardEntry[]>;
  /** How many shards that epoch had, 0 when nothing is known of it. */
  shardsOf(epoch: number): Promise<number>;
  /** Deletes everything of an epoch that is over. */
  drop(epoch: number): Promise<void>;
  /** Rejects unless something could be accepted now. */
  check(): Promise<void>;
  /** No call after it. */
  end(): Promise<void>;
}

/** The accept log cannot be reached, or did not answer in time. */
export class AcceptLogAway extends Error {
  constructor(cause?: unknown) {
    super('the accept log is away', cause === undefined ? undefined : { cause });
    this.name = 'AcceptLogAway';
  }
}
