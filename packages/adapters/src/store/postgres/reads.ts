import { type ConversationReads, type Position, replayOf, replayOfMessages } from '@gapless/core';
import type { Role } from '@gapless/protocol';
import {
  type ChangeRow,
  CONVERSATION_COLUMNS,
  type ConversationRow,
  MESSAGE_COLUMNS,
  type MessageRow,
  toConversation,
  toMessage,
  toView,
  type ViewRow,
} from '../rows.ts';
import type { Query } from './query.ts';
import { toEntry } from './rows.ts';
import { stored, textList, texts } from './text.ts';

const NOTHING_BEFORE = { updatedAt: Number.MAX_SAFE_INTEGER, cid: '' };

// LATERAL with LIMIT 1 is a look-up by index for each row, whatever Postgres thinks of the sizes.

/** A user's conversations. Continue with more of WHERE. */
const OWN = `SELECT c.*, p.role, p.last_read FROM participant p
  CROSS JOIN LATERAL (SELECT ${CONVERSATION_COLUMNS} FROM conversation c WHERE c.cid = p.cid LIMIT 1) c WHERE p.uid = $1`;

/** The chosen ones, each with its last message and, for a dm, the other side. */
const view = (chosen: string) => `SELECT c.*, m.*, o.uid AS peer, u.name AS peer_name FROM (${chosen}) c
  LEFT JOIN LATERAL (SELECT ${MESSAGE_COLUMNS} FROM message m WHERE m.cid = c.cid AND m.seq = c.head LIMIT 1) m ON true
  LEFT JOIN LATERAL (SELECT o.uid FROM participant o WHERE c.kind = 'dm' AND o.cid = c.cid AND o.uid <> $1 LIMIT 1) o ON true
  LEFT JOIN users u ON u.uid = o.uid`;

const REVS = `SELECT c.rev FROM unnest(${textList(1)}) WITH ORDINALITY AS k(cid, i) LEFT JOIN conversation c ON c.cid = k.cid ORDER BY k.i`;

const HEADS = `SELECT c.cid, c.head, c.rev, c.oldest_rev, c.accept_epoch, p.last_read, p.role
  FROM unnest(${textList(2)}) WITH ORDINALITY AS k(cid, i)
  LEFT JOIN (conversation c JOIN participant p ON p.cid = c.cid AND p.uid = $1) ON c.cid = k.cid ORDER BY k.i`;

const CONVERSATION = `SELECT ${CONVERSATION_COLUMNS} FROM conversation c WHERE c.cid = $1`;

const PARTICIPANTS = `SELECT p.*, u.name
  FROM (SELECT uid, role, joined_at, last_read FROM participant WHERE cid = $1 ORDER BY joined_at, uid LIMIT $2) p
  LEFT JOIN LATERAL (SELECT u.name FROM users u WHERE u.uid = p.uid LIMIT 1) u ON true ORDER BY p.joined_at, p.uid`;

const CONVERSATIONS_OF = `${view(`${OWN} AND (c.updated_at, c.cid) < ($2, $3 COLLATE "C") ORDER BY c.updated_at DESC, c.cid DESC LIMIT $4`)}
  ORDER BY c.updated_at DESC, c.cid DESC`;

const CONVERSATION_VIEW = view(`${OWN} AND p.cid = $2`);

const MESSAGES_AFTER = `SELECT ${MESSAGE_COLUMNS} FROM message m WHERE m.cid = $1 AND m.seq > $2 ORDER BY m.seq LIMIT $3`;
const MESSAGES_BEFORE = `SELECT ${MESSAGE_COLUMNS} FROM message m WHERE m.cid = $1 AND m.seq < $2 ORDER BY m.seq DESC LIMIT $3`;

// As a plain join, since both sides have this cid, it would go through the whole conversation.
const CHANGES = `SELECT l.rev, l.op, l.actor, l.at, l.payload, m.* FROM log l
  LEFT JOIN LATERAL (SELECT ${MESSAGE_COLUMNS} FROM message m WHERE m.cid = $1 AND m.seq = l.seq LIMIT 1) m ON l.op = 'message'
  WHERE l.cid = $1 AND l.rev > $2 ORDER BY l.rev LIMIT $3`;

const POSITIONS = `SELECT uid, last_read AS "lastRead", delivered FROM participant
  WHERE cid = $1 AND (last_read > 0 OR delivered > 0) ORDER BY uid`;

/** From the other's conversations, mostly few, to the user's place in each. */
const ACQUAINTED = `SELECT DISTINCT k.uid FROM unnest(${textList(2)}) AS k(uid)
  WHERE EXISTS (SELECT 1 FROM participant b JOIN participant a ON a.cid = b.cid AND a.uid = $1 WHERE b.uid = k.uid)`;

/** Statements about one conversation, which must read one partition only, and the others: a test looks at their plans. */
export const BY_PARTITION = { CONVERSATION, PARTICIPANTS, MESSAGES_AFTER, MESSAGES_BEFORE, CHANGES, POSITIONS };
export const BY_INDEX = { REVS, HEADS, CONVERSATIONS_OF, CONVERSATION_VIEW, ACQUAINTED };

/** Every read of conversations, each one statement. */
export function createReads(query: Query): ConversationReads {
  const reads: ConversationReads = {
    async revs(cids) {
      if (cids.length === 0) return [];
      const rows = await query<{ rev: number | null }>(REVS, [texts(cids)]);
      return rows.map(({ rev }) => rev ?? undefined);
    },

    async heads(uid, cids) {
      if (cids.length === 0) return [];
      interface Row {
        cid: string | null;
        head: number;
        rev: number;
        oldest_rev: number;
        accept_epoch: number;
        last_read: number;
        role: Role;
      }
      const rows = await query<Row>(HEADS, [stored(uid), texts(cids)]);
      return rows.map(({ cid, head, rev, oldest_rev, accept_epoch, last_read, role }) =>
        cid === null ? undefined : { cid, head, rev, lastRead: last_read, role, oldestRev: oldest_rev, epoch: accept_epoch },
      );
    },

    async conversation(cid) {
      const [row] = await query<ConversationRow>(CONVERSATION, [stored(cid)]);
      return row && toConversation(row);
    },

    async participants(cid, { limit } = {}) {
      interface Row {
        uid: string;
        role: Role;
        joined_at: number;
        last_read: number;
        name: string | null;
      }
      const rows = await query<Row>(PARTICIPANTS, [stored(cid), limit ?? null]);
      return rows.map(({ uid, role, joined_at, last_read, name }) => ({
        uid,
        role,
        joinedAt: joined_at,
        lastRead: last_read,
        displayName: name ?? uid,
      }));
    },

    async conversationsOf(uid, { before = NOTHING_BEFORE, limit }) {
      return (await query<ViewRow>(CONVERSATIONS_OF, [stored(uid), before.updatedAt, stored(before.cid), limit])).map(toView);
    },

    async conversationView(uid, cid) {
      const [row] = await query<ViewRow>(CONVERSATION_VIEW, [stored(uid), stored(cid)]);
      return row && toView(row);
    },

    async messages(cid, { after, before, limit }) {
      if (after !== undefined)
        return (await query<MessageRow>(MESSAGES_AFTER, [stored(cid), after, limit])).map((row) => toMessage(cid, row));
      const rows = await query<MessageRow>(MESSAGES_BEFORE, [stored(cid), before ?? Number.MAX_SAFE_INTEGER, limit]);
      return rows.reverse().map((row) => toMessage(cid, row));
    },

    async changes(cid, { after, limit }) {
      return (await query<ChangeRow>(CHANGES, [stored(cid), after, limit])).map((row) => toEntry(cid, row));
    },

    async replay(cid, { by, maxBytes, ...page }) {
      return by === 'rev'
        ? replayOf(await reads.changes(cid, page), maxBytes)
        : replayOfMessages(await reads.messages(cid, page), maxBytes);
    },

    positions: (cid) => query<Position>(POSITIONS, [stored(cid)]).then((rows) => [...rows]),

    async acquainted(uid, others) {
      if (others.length === 0) return [];
      return (await query<{ uid: string }>(ACQUAINTED, [stored(uid), texts(others)])).map((row) => row.uid);
    },
  };
  return reads;
}
