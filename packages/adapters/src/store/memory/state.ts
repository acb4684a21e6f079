import type { FeedRow, LogEntry, MessageRecord, SessionRecord } from '@gapless/core';
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
  readonly messages: MessageRecord[];
  readonly byMid: Map<string, { message: MessageRecord; digest: string }>;
  /** log[rev - 1] has that rev; the creation is not kept. */
  readonly log: LogEntry[];
  membersRev: number;
  readonly members: Map<string, MemoryMember>;
}

export interface MemorySession extends Writable<SessionRecord> {
  revokedAt?: number;
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
}

export function deliveredOf(member: MemoryMember): number {
  return Math.max(0, ...member.devices.values());
}
