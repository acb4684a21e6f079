import { type ConversationRecord, type ConversationView, replayOf, replayOfMessages, type Store } from '@gapless/core';
import { type Clock, systemClock } from '@gapless/kit';
import { createMemoryAccept } from './accept.ts';
import { createMemoryAccounts } from './accounts.ts';
import { applyAll, healOwnReads } from './commit.ts';
import { createMemoryFeed } from './feed.ts';
import { deliveredOf, type MemoryConversation, newState } from './state.ts';

export interface MemoryOptions {
  /** For leases and the nodes that accept; the system's by default. */
  clock?: Pick<Clock, 'now'>;
}

/** The whole store in this process's memory: for tests, the simulation, and trying out. Gone when the process ends. */
export function openMemoryStore({ clock = systemClock }: MemoryOptions = {}): Store {
  const state = newState();
  const of = (cid: string) => state.conversations.get(cid);
  const nameOf = (uid: string) => state.users.get(uid)?.displayName ?? uid;

  function view(uid: string, conversation: MemoryConversation): ConversationView | undefined {
    const member = conversation.members.get(uid);
    if (member === undefined) return undefined;
    const lastMessage = conversation.messages.at(-1);
    const peer = conversation.kind === 'dm' ? [...conversation.members.keys()].find((other) => other !== uid) : undefined;
    return {
      ...record(conversation),
      role: member.role,
      lastRead: member.lastRead,
      ...(lastMessage === undefined ? {} : { lastMessage }),
      ...(peer === undefined ? {} : { peer: { uid: peer, displayName: nameOf(peer) } }),
    };
  }

  return {
    capabilities: { durable: false, multiProcess: false, lanes: 1 },
    ...createMemoryAccounts(state),
    ...createMemoryFeed(state, clock),
    ...createMemoryAccept(state, clock),
    commit: async (batch) => applyAll(state, batch),
    healOwnReads: async ({ rows }) => healOwnReads(state, rows),
    check: async () => {},
    close: async () => {},

    revs: async (cids) => cids.map((cid) => of(cid)?.log.length),

    heads: async (uid, cids) =>
      cids.map((cid) => {
        const conversation = of(cid);
        const member = conversation?.members.get(uid);
        if (conversation === undefined || member === undefined) return undefined;
        return {
          cid,
          head: conversation.messages.length,
          rev: conversation.log.length,
          lastRead: member.lastRead,
          role: member.role,
          oldestRev: 1,
          epoch: conversation.acceptEpoch,
        };
      }),

    async conversation(cid) {
      const conversation = of(cid);
      return conversation && record(conversation);
    },

    participants: async (cid, { limit } = {}) =>
      [...(of(cid)?.members ?? [])]
        .map(([uid, { role, joinedAt, lastRead }]) => ({ uid, role, joinedAt, lastRead, displayName: nameOf(uid) }))
        .sort((a, b) => a.joinedAt - b.joinedAt || compare(a.uid, b.uid))
        .slice(0, limit),

    conversationsOf: async (uid, { before, limit }) =>
      [...state.conversations.values()]
        .map((conversation) => view(uid, conversation))
        .filter((item) => item !== undefined)
        .sort(newestFirst)
        .filter((item) => before === undefined || newestFirst(before, item) < 0)
        .slice(0, limit),

    async conversationView(uid, cid) {
      const conversation = of(cid);
      return conversation && view(uid, conversation);
    },

    async messages(cid, { after, before, limit }) {
      const messages = of(cid)?.messages ?? [];
      if (after !== undefined) return messages.slice(after, after + limit);
      const end = Math.min(messages.length, Math.max(0, (before ?? Number.MAX_SAFE_INTEGER) - 1));
      return messages.slice(Math.max(0, end - limit), end);
    },

    changes: async (cid, { after, limit }) => (of(cid)?.log ?? []).slice(after, after + limit),

    async replay(cid, { by, after, limit, maxBytes }) {
      const { log = [], messages = [] } = of(cid) ?? {};
      const [from, to] = [after, after + limit];
      return by === 'rev' ? replayOf(log.slice(from, to), maxBytes) : replayOfMessages(messages.slice(from, to), maxBytes);
    },

    positions: async (cid) =>
      [...(of(cid)?.members ?? [])]
        .map(([uid, member]) => ({ uid, lastRead: member.lastRead, delivered: deliveredOf(member) }))
        .filter(({ lastRead, delivered }) => lastRead > 0 || delivered > 0)
        .sort((a, b) => compare(a.uid, b.uid)),

    acquainted: async (uid, others) =>
      [...new Set(others)].filter((other) =>
        [...state.conversations.values()].some(({ members }) => members.has(uid) && members.has(other)),
      ),
  };
}

function record({ cid, kind, title, createdAt, updatedAt, messages, log, membersRev, members }: MemoryConversation): ConversationRecord {
  return {
    cid,
    kind,
    ...(title === undefined ? {} : { title }),
    createdAt,
    updatedAt,
    head: messages.length,
    rev: log.length,
    membersRev,
    participantCount: members.size,
  };
}

function newestFirst(a: { updatedAt: number; cid: string }, b: { updatedAt: number; cid: string }): number {
  return b.updatedAt - a.updatedAt || compare(b.cid, a.cid);
}

/** Order of code units, as SQLite's BINARY collation has it for ids in ASCII. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
