import type { ConversationRecord, ConversationView, MessageRecord } from '@gapless/core';
import type { ConversationKind, Role } from '@gapless/protocol';

// Rows as they come out of SQLite, and records as the core knows them.

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

/** One conversation of a user, with its last message and, for a dm, the other side. Continue with more of WHERE. */
export const VIEW_SELECT = `SELECT ${CONVERSATION_COLUMNS}, p.role, p.last_read, ${MESSAGE_COLUMNS}, o.uid AS peer, u.name AS peer_name
  FROM participant p
  JOIN conversation c ON c.id = p.conv
  LEFT JOIN message m ON m.conv = c.id AND m.seq = c.head
  LEFT JOIN participant o ON c.kind = 'dm' AND o.conv = c.id AND o.uid <> p.uid
  LEFT JOIN user u ON u.uid = o.uid
  WHERE p.uid = ?`;

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
export function extraOf(message: Pick<MessageRecord, 'replyTo' | 'threadRoot' | 'mentions'>): string | null {
  const { replyTo, threadRoot, mentions } = message;
  if (replyTo === undefined && threadRoot === undefined && mentions === undefined) return null;
  return JSON.stringify({ replyTo, threadRoot, mentions });
}
