import type { Command, CreateCommand, LogEntry, MessageRecord, Outcome, Rights, SendCommand, Store } from '@gapless/core';
import type { ConversationKind } from '@gapless/protocol';
import { expect } from 'vitest';

// Commands as short as a story needs them. Times count up from T0.

export const T0 = 1_700_000_000_000;

/** A send whose payload is `text`: equal texts have equal digests. */
export function send(cid: string, mid: string, from: string, rest: Partial<SendCommand> & { text?: string } = {}): SendCommand {
  const { text = mid, ...fields } = rest;
  return { op: 'send', cid, mid, from, at: T0, kind: 'text', body: JSON.stringify({ text }), digest: `digest of ${text}`, ...fields };
}

export function create(cid: string, uids: readonly string[], rest: Partial<CreateCommand> = {}): CreateCommand {
  const participants = uids.map((uid, i) => ({ uid, role: i === 0 ? ('owner' as const) : ('member' as const) }));
  return { op: 'create', cid, kind: 'group', by: uids[0]!, at: T0, participants, createUsers: true, ...rest };
}

export function dm(cid: string, a: string, b: string, rest: Partial<CreateCommand> = {}): CreateCommand {
  return create(cid, [a, b], { kind: 'dm' satisfies ConversationKind, ...rest });
}

export function add(cid: string, users: readonly string[], rest: Partial<Command & { op: 'add' }> = {}): Command {
  return { op: 'add', cid, by: 'ann', at: T0, users, role: 'member', createUsers: true, ...rest };
}

export function remove(cid: string, uid: string, rights: Rights & { by?: string } = {}): Command {
  return { op: 'remove', cid, by: 'ann', at: T0, uid, ...rights };
}

export function settings(cid: string, title: string, rights: Rights & { by?: string } = {}): Command {
  return { op: 'settings', cid, by: 'ann', at: T0, title, ...rights };
}

export function read(cid: string, uid: string, pos: number): Command {
  return { op: 'read', cid, uid, pos };
}

export function delivered(cid: string, uid: string, did: string, pos: number): Command {
  return { op: 'delivered', cid, uid, did, pos };
}

export function open(cid: string, epoch: number, { opening = 1, window = 100 } = {}): Command {
  return { op: 'open', cid, epoch, opening, window };
}

/** Of a conversation whose revs are its seqs, unless `rev` says otherwise. */
export function save(command: SendCommand, epoch: number, seq: number, { rev = seq, window = 100 } = {}): Command {
  return { op: 'save', cid: command.cid, epoch, seq, rev, send: command, window };
}

export function close(cid: string, epoch: number, head: number, { opening = 1 } = {}): Command {
  return { op: 'close', cid, epoch, opening, head };
}

/** `sends` by their seqs. */
export function settle(
  cid: string,
  epoch: number,
  upTo: number | 'reserved',
  sends: Readonly<Record<number, SendCommand>> = {},
  rest: { readonly opening?: number } = {},
): Command {
  const messages = Object.entries(sends).map(([seq, command]) => ({ seq: Number(seq), rev: Number(seq), send: command }));
  return { op: 'settle', cid, epoch, at: T0, messages, upTo, ...rest };
}

/** Conversations may be opened in that epoch from now on. */
export async function beginEpoch(store: Store, epoch: number): Promise<void> {
  expect(await store.moveAcceptState(await store.acceptState(), { epoch, state: 'open' })).toBe(true);
}

/** Commits one command alone and gives its outcome. */
export async function one(store: Store, command: Command): Promise<Outcome> {
  const outcomes = await store.commit([command]);
  expect(outcomes).toHaveLength(1);
  return outcomes[0]!;
}

/** Commits a batch that must go through whole. */
export async function all(store: Store, ...commands: readonly Command[]): Promise<void> {
  const outcomes = await store.commit(commands);
  expect(outcomes.filter((outcome) => !outcome.ok)).toEqual([]);
}

/** A group c1 of ann, bob and cid, where ann has said `count` things. */
export async function group(store: Store, count = 0): Promise<void> {
  await all(store, create('c1', ['ann', 'bob', 'cid']), ...range(count).map((i) => send('c1', `m${i}`, 'ann', { at: T0 + i })));
}

export function range(count: number, from = 1): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

/** What a send's outcome says of its place. */
export function place(outcome: Outcome | undefined): { seq: number; rev: number; dup: boolean } | undefined {
  return outcome?.ok === true && outcome.op === 'send' ? { seq: outcome.seq, rev: outcome.rev, dup: outcome.dup } : undefined;
}

/** The message that a send stores at this place. */
export function messageOf(
  { op: _op, digest: _digest, membersRev: _membersRev, callerRole: _callerRole, ensureMembers: _ensureMembers, ...payload }: SendCommand,
  seq: number,
  rev = seq,
): MessageRecord {
  return { ...payload, seq, rev };
}

export function entryOf(command: SendCommand, seq: number, rev = seq): LogEntry {
  return { op: 'message', cid: command.cid, rev, message: messageOf(command, seq, rev) };
}
