import type { ChangeDetail, Command, CreateCommand, LogEntry, Outcome, SendCommand } from '@gapless/core';
import { messageOf } from '../entries.ts';
import { append, close, open, save, settle } from './accept-commands.ts';
import { deliveredOf, type MemoryConversation, type MemoryMember, type MemoryState } from './state.ts';

const NO_CONVERSATION: Outcome = { ok: false, code: 'not_participant' };

/** What takes a seq or a rev from the store. */
const NUMBERED: readonly Command['op'][] = ['send', 'add', 'remove', 'settings'];

/** Applies the commands, one after the other. */
export function applyAll(state: MemoryState, batch: readonly Command[]): Outcome[] {
  return batch.map((command) => {
    const outcome = apply(state, command);
    for (const entry of entriesOf(outcome))
      state.feed.push({ id: state.feed.length + 1, entry, at: entry.op === 'message' ? entry.message.at : entry.at });
    return outcome;
  });
}

function entriesOf(outcome: Outcome): readonly LogEntry[] {
  if ('entries' in outcome) return outcome.entries ?? [];
  return 'entry' in outcome && outcome.entry !== undefined ? [outcome.entry] : [];
}

function apply(state: MemoryState, command: Command): Outcome {
  if (command.op === 'create') return create(state, command);
  const conversation = state.conversations.get(command.cid);
  if (conversation === undefined) return NO_CONVERSATION;
  if (conversation.acceptEpoch !== 0 && NUMBERED.includes(command.op)) return { ok: false, code: 'accepting' };
  if (isStale(conversation, command)) return { ok: false, code: 'stale' };
  switch (command.op) {
    case 'send':
      return send(conversation, command);
    case 'add':
      return add(state, conversation, command);
    case 'remove':
      if (!conversation.members.delete(command.uid)) return { ok: true, op: 'remove' };
      return { ok: true, op: 'remove', entry: log(conversation, command, { op: 'participants_removed', users: [command.uid] }) };
    case 'settings':
      if (conversation.title === command.title) return { ok: true, op: 'settings' };
      conversation.title = command.title;
      return { ok: true, op: 'settings', entry: log(conversation, command, { op: 'settings', title: command.title }) };
    case 'open':
      return open(state, conversation, command);
    case 'save':
      return save(conversation, command);
    case 'close':
      return close(conversation, command);
    case 'settle':
      return settle(conversation, command);
    default:
      return position(conversation, command);
  }
}

/** Whether the caller's rights were looked up before a change of the participants, and that was one of them. */
function isStale(conversation: MemoryConversation, command: Command): boolean {
  if (!('membersRev' in command) || command.membersRev === undefined || command.membersRev === conversation.membersRev) return false;
  const role = conversation.members.get(command.op === 'send' ? command.from : command.by)?.role;
  return role === undefined || (command.callerRole ?? role) !== role;
}

function send(conversation: MemoryConversation, command: SendCommand): Outcome {
  const seq = conversation.messages.length + 1;
  const sender = conversation.members.get(command.from);
  if (command.ensureMembers && sender === undefined) return NO_CONVERSATION;
  for (const ref of ['replyTo', 'threadRoot'] as const) {
    if ((command[ref] ?? 0) >= seq) return { ok: false, code: 'bad_frame', say: `${ref}: there is no such message` };
  }
  const first = conversation.byMid.get(command.mid);
  if (first !== undefined) {
    if (first.message.from !== command.from || first.digest !== command.digest) return { ok: false, code: 'mid_conflict' };
    return { ok: true, op: 'send', seq: first.message.seq, rev: first.message.rev, at: first.message.at, dup: true };
  }
  const rev = conversation.log.length + 1;
  const entry = append(conversation, messageOf(command, seq, rev), command.digest);
  if (command.ensureMembers && sender !== undefined) sender.lastRead = seq;
  return { ok: true, op: 'send', seq, rev, at: command.at, dup: false, entry };
}

function create(state: MemoryState, command: CreateCommand): Outcome {
  const { cid, kind, title, at, participants } = command;
  const users = participants.map(({ uid }) => uid);
  const dmKey = JSON.stringify(users.toSorted());
  const existing = kind === 'dm' ? state.dms.get(dmKey) : undefined;
  if (existing !== undefined) return { ok: true, op: 'create', cid: existing, created: false };
  const unknown = ensureUsers(state, users, command);
  if (unknown !== undefined) return unknown;
  const members = new Map(participants.map(({ uid, role }) => [uid, { role, joinedAt: at, lastRead: 0, devices: new Map() }]));
  const conversation: MemoryConversation = {
    cid,
    kind,
    title,
    createdAt: at,
    updatedAt: at,
    messages: [],
    byMid: new Map(),
    log: [],
    membersRev: 0,
    members,
    acceptEpoch: 0,
    acceptOpening: 0,
    acceptOpened: 0,
    reserved: 0,
  };
  state.conversations.set(cid, conversation);
  if (kind === 'dm') state.dms.set(dmKey, cid);
  const detail: ChangeDetail = { op: 'created', kind, users, ...(title === undefined ? {} : { title }) };
  return { ok: true, op: 'create', cid, created: true, entry: { op: 'change', cid, rev: 0, by: command.by, at, detail } };
}

function add(state: MemoryState, conversation: MemoryConversation, command: Command & { op: 'add' }): Outcome {
  const unknown = ensureUsers(state, command.users, command);
  if (unknown !== undefined) return unknown;
  const users = [...new Set(command.users)].filter((uid) => !conversation.members.has(uid));
  if (users.length === 0) return { ok: true, op: 'add' };
  for (const uid of users) conversation.members.set(uid, { role: command.role, joinedAt: command.at, lastRead: 0, devices: new Map() });
  return { ok: true, op: 'add', entry: log(conversation, command, { op: 'participants_added', users, role: command.role }) };
}

function position(conversation: MemoryConversation, command: Command & { op: 'read' | 'delivered' }): Outcome {
  const member = conversation.members.get(command.uid);
  if (member === undefined) return NO_CONVERSATION;
  const pos = Math.min(command.pos, conversation.messages.length);
  const before = command.op === 'read' ? member.lastRead : deliveredOf(member);
  if (command.op === 'read') member.lastRead = Math.max(before, pos);
  else member.devices.set(command.did, Math.max(member.devices.get(command.did) ?? 0, pos));
  return { ok: true, op: command.op, pos: Math.max(before, pos), advanced: pos > before };
}

function log(conversation: MemoryConversation, { by, at }: { by: string; at: number }, detail: ChangeDetail): LogEntry {
  const entry: LogEntry = { op: 'change', cid: conversation.cid, rev: conversation.log.length + 1, by, at, detail };
  conversation.log.push(entry);
  if (detail.op === 'participants_added' || detail.op === 'participants_removed') conversation.membersRev = entry.rev;
  return entry;
}

function ensureUsers(
  state: MemoryState,
  users: readonly string[],
  { createUsers, at }: { createUsers: boolean; at: number },
): Outcome | undefined {
  const missing = users.filter((uid) => !state.users.has(uid));
  if (missing.length > 0 && !createUsers) return { ok: false, code: 'unknown_user', say: `There is no user ${missing[0]}.` };
  for (const uid of missing) state.users.set(uid, { uid, displayName: uid, createdAt: at });
  return undefined;
}

/** Moves the own read position of who sent one of the newest `rows` log rows. */
export function healOwnReads({ conversations, feed }: MemoryState, rows: number): number {
  const newest = new Map<MemoryMember, number>();
  for (const { entry } of feed.slice(Math.max(0, feed.length - rows))) {
    if (entry.op !== 'message') continue;
    const member = conversations.get(entry.cid)?.members.get(entry.message.from);
    if (member !== undefined) newest.set(member, entry.message.seq);
  }
  let moved = 0;
  for (const [member, seq] of newest) {
    if (member.lastRead >= seq) continue;
    member.lastRead = seq;
    moved++;
  }
  return moved;
}
