import type { Accepted, AcceptState, FeedRow, LogEntry, MessageRecord, SessionRecord } from '@gapless/core';
import type { ConversationKind, Role } from '@gapless/protocol';

export interface MemoryMember {
  role: Role;
  joinedAt: number;
  lastRead: number;
  /** Delivered position by device. */
  devices: Map<string, number>;
}

export interface MemoryConversation {
  readonly cid: string;
  readonly kind: ConversationKind;
  title: string | undefined;
  readonly createdAt: number;
  updatedAt: number;
  /** messages[seq - 1] has that seq. */
  readonly messages: MessageRecord[];
  readonly byMid: Map<string, { message: MessageRecord; digest: string }>;
  /** log[rev - 1] has that rev; the creation is not kept. */
  readonly log: LogEntry[];
  membersRev: number;
  readonly members: Map<string, MemoryMember>;
  /** The epoch in which it is open in the accept log; 0: it is not. */
  acceptEpoch: number;
  /** The newest opening, and the epoch that it belongs to; both stay when it is closed. */
  acceptOpening: number;
  acceptOpened: number;
  reserved: number;
}

export interface MemorySession extends Writable<SessionRecord> {
  revokedAt?: number;
}

export interface MemoryAcceptNode {
  readonly node: string;
  readonly epoch: number;
  readonly handedIn: boolean;
  readonly liveUntil: number;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export interface MemoryState {
  readonly conversations: Map<string, MemoryConversation>;
  readonly dms: Map<string, string>;
  readonly users: Map<string, { uid: string; displayName: string; createdAt: number; passwordHash?: string }>;
  readonly sessions: Map<string, MemorySession>;
  readonly tokens: Map<string, { sid: string; usedAt?: number }>;
  /** feed[id - 1] has that id: every entry there was, creations too. */
  readonly feed: FeedRow[];
  acceptState: AcceptState;
  readonly acceptNodes: Map<string, MemoryAcceptNode>;
  /** By epoch, cid and seq. */
  readonly rescued: Map<string, Accepted>;
}

export function newState(): MemoryState {
  return {
    conversations: new Map(),
    dms: new Map(),
    users: new Map(),
    sessions: new Map(),
    tokens: new Map(),
    feed: [],
    acceptState: { epoch: 0, state: 'closed' },
    acceptNodes: new Map(),
    rescued: new Map(),
  };
}

export function deliveredOf(member: MemoryMember): number {
  return Math.max(0, ...member.devices.values());
}

/** The order of ids in every store. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
