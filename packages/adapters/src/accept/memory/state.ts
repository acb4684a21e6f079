import type { Accepted, AcceptGroup, FirstOutcome } from '@gapless/core';

/** What a process that holds the log has in its memory. Plain data: a snapshot is a clone. */
export interface LogState {
  /** The epoch that was begun last, and in which run. */
  current: { epoch: number; run: number } | undefined;
  epochs: Map<number, EpochState>;
}

export interface EpochState {
  readonly conversations: Map<string, ConversationState>;
  readonly shards: ShardState[];
  readonly locks: Map<string, { node: string; until: number }>;
  /** Entries that are not saved. */
  waiting: number;
  readonly admitted: Set<string>;
  /** How many there were, each with its number. After the first one it cannot be begun anew. */
  openings: number;
}

export type ConversationState =
  | { state: 'opening'; opening: number; first: number; since: number }
  /** Not open, and nobody opens it until then. */
  | { state: 'shut'; until: number }
  | OpenState;

export interface OpenState {
  state: 'open' | 'held';
  readonly opening: number;
  head: number;
  rev: number;
  savedHead: number;
  savedRev: number;
  reserved: number;
  readonly membersRev: number;
  knownFrom: string;
  young: Generation;
  old: Generation;
  /** When the younger generation became that. */
  turnedAt: number;
  /** Not saved, by rev. */
  readonly pending: Map<number, Accepted>;
}

/** Mids that are remembered, and forgotten, together. */
export interface Generation {
  readonly mids: Map<string, FirstOutcome>;
  /** Its largest ULID; '' where it has none. */
  top: string;
  /** Of what is in it nothing has a larger seq. */
  lastSeq: number;
}

export interface ShardState {
  /** By id, which counts up from 1. */
  readonly entries: Map<number, { accepted: Accepted; at: number }>;
  lastId: number;
  readonly groups: Readonly<Record<AcceptGroup, GroupState>>;
}

export interface GroupState {
  /** Newest id that was read. */
  lastRead: number;
  /** Read and not finished, oldest first: by whom. */
  readonly pending: Map<number, string>;
}

export function newEpoch(shards: number): EpochState {
  return {
    conversations: new Map(),
    shards: Array.from({ length: shards }, newShard),
    locks: new Map(),
    waiting: 0,
    admitted: new Set(),
    openings: 0,
  };
}

export function newGeneration(): Generation {
  return { mids: new Map(), top: '', lastSeq: 0 };
}

function newShard(): ShardState {
  return { entries: new Map(), lastId: 0, groups: { deliver: newGroup(), save: newGroup() } };
}

function newGroup(): GroupState {
  return { lastRead: 0, pending: new Map() };
}
