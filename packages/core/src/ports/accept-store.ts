import type { Accepted, FirstOutcome } from './accept-log.ts';

/**
 * - `closed`: the store gives all numbers; `open`: conversations may be opened in the accept log of this epoch; `settling`: it is over,
 *   and what was accepted in it is being brought into the store.
 */
export interface AcceptState {
  /** 0: there never was one. */
  readonly epoch: number;
  readonly state: 'closed' | 'open' | 'settling';
}

/** A node that accepts, or accepted, in the epoch. */
export interface AcceptNode {
  readonly node: string;
  readonly epoch: number;
  /** It accepts nothing more in this epoch, and everything of it that may not be saved is in `rescue`. */
  readonly handedIn: boolean;
  /** It was seen within its lease; by the store's clock. */
  readonly live: boolean;
}

export interface OpenConversation {
  readonly cid: string;
  readonly head: number;
  readonly rev: number;
  /** The accept log may have given numbers up to here, never beyond. */
  readonly reserved: number;
}

/** What the store has to know of the accept log. Each call is one transaction. */
export interface AcceptStore {
  acceptState(): Promise<AcceptState>;
  /** Resolves to false, and nothing happens, unless it is `from` now. */
  moveAcceptState(from: AcceptState, to: AcceptState): Promise<boolean>;
  /**
   * The node is alive for `leaseMs` from now on. An older epoch of it is forgotten; `handedIn` of one epoch stays once it is set.
   * Resolves to false, and nothing happens, unless that epoch is open, or, with `handedIn`, settling.
   */
  seenAccepting(node: { node: string; epoch: number; handedIn: boolean; leaseMs: number }): Promise<boolean>;
  acceptNodes(epoch: number): Promise<AcceptNode[]>;
  /** What it accepted is saved, all of it: it is asked for nothing more. */
  forgetAcceptNode(node: string, epoch: number): Promise<void>;
  /** What is kept until the epoch is settled; what is there already stays as it is. */
  rescue(accepted: readonly Accepted[]): Promise<void>;
  /** Of these conversations, those above the head of each, by cid and ascending by seq. */
  rescued(epoch: number, cids: readonly string[]): Promise<Accepted[]>;
  clearRescued(epoch: number): Promise<void>;
  /** Conversations that are open in that epoch, by cid. */
  openConversations(epoch: number, options: { after: string; limit: number }): Promise<OpenConversation[]>;
  /** One per mid, in order. */
  firstOutcomes(cid: string, mids: readonly string[]): Promise<(FirstOutcome | undefined)[]>;
  /** Mids of a conversation that sort after `after`, byte by byte, ascending, at most `limit`; without those of lost messages. */
  midsAfter(cid: string, after: string, limit: number): Promise<FirstOutcome[]>;
}
