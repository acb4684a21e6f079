import type { ConversationRecord, ConversationView, MessageRecord, SessionRecord, UserRecord } from '@gapless/core';
import type { ConversationKind, Role } from '@gapless/protocol';

// Rows as they come out of the SQL stores, whose columns have the same names, and records as the core knows them.

export interface MessageRow {
  seq: number;
  mrev: number;
  mid: string;
  sender: string;
  mat: number;
  mkind: string;
  body: string;
  extra: string | null;
  edited_at: number | null;
  recalled_at: number | null;
}

/** The columns of MessageRow, of a message table named m. */
export const MESSAGE_COLUMNS =
  'm.seq, m.rev AS mrev, m.mid, m.sender, m.at AS mat, m.kind AS mkind, m.body, m.extra, m.edited_at, m.recalled_at';

export function toMessage(cid: string, row: MessageRow): MessageRecord {
  const { seq, mrev: rev, mid, sender: from, mat: at, mkind: kind, body, extra, edited_at, recalled_at } = row;
  const message = { cid, seq, rev, mid, from, at, kind, body };
  // Most have none of these, and a spread costs more than all the rest.
  if (extra === null && edited_at === null && recalled_at === null) return message;
  return {
    ...message,
    ...(extra === null ? {} : (JSON.parse(extra) as Pick<MessageRecord, 'replyTo' | 'threadRoot' | 'mentions'>)),
    ...(edited_at === null ? {} : { editedAt: edited_at }),
    ...(recalled_at === null ? {} : { recalledAt: recalled_at }),
  };
}

export interface ConversationRow {
  cid: string;
  kind: ConversationKind;
  title: string | null;
  created_at: number;
  updated_at: number;
  head: number;
  rev: number;
  members_rev: number;
  members: number;
}

export const CONVERSATION_COLUMNS = 'c.cid, c.kind, c.title, c.created_at, c.updated_at, c.head, c.rev, c.members_rev, c.members';

export function toConversation(row: ConversationRow): ConversationRecord {
  return {
    cid: row.cid,
    kind: row.kind,
    ...(row.title === null ? {} : { title: row.title }),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    head: row.head,
    rev: row.rev,
    membersRev: row.members_rev,
    participantCount: row.members,
  };
}

export interface ViewRow extends ConversationRow, Omit<MessageRow, 'mid'> {
  role: Role;
  last_read: number;
  mid: string | null;
  peer: string | null;
  peer_name: string | null;
}

export function toView(row: ViewRow): ConversationView {
  return {
    ...toConversation(row),
    role: row.role,
    lastRead: row.last_read,
    ...(row.mid === null ? {} : { lastMessage: toMessage(row.cid, row as MessageRow) }),
    ...(row.peer === null ? {} : { peer: { uid: row.peer, displayName: row.peer_name ?? row.peer } }),
  };
}

/** replyTo, threadRoot and mentions as one column; most messages have none. */
export function extraOf(message: Pick<MessageRecord, 'replyTo' | 'threadRoot' | 'mentions'>): string | undefined {
  const { replyTo, threadRoot, mentions } = message;
  if (replyTo === undefined && threadRoot === undefined && mentions === undefined) return undefined;
  return JSON.stringify({ replyTo, threadRoot, mentions });
}

/** A row of the log, with its message's columns. */
export interface ChangeRow extends MessageRow {
  rev: number;
  op: string;
  actor: string;
  at: number;
  payload: string | null;
}

export interface UserRow {
  uid: string;
  name: string;
  created_at: number;
}

export function toUser(row: UserRow): UserRecord {
  return { uid: row.uid, displayName: row.name, createdAt: row.created_at };
}

export interface SessionRow {
  sid: string;
  uid: string;
  label: string;
  created_at: number;
  last_seen_at: number;
  expires_at: number;
}

export function toSession(row: SessionRow): SessionRecord {
  return {
    sid: row.sid,
    uid: row.uid,
    label: row.label,
    createdAt: row.created_at,
    lastSeenAt: row.last_seen_at,
    expiresAt: row.expires_at,
  };
}
