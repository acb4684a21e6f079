import { LOST, type LogEntry, type MessageRecord, type SendCommand, type SettleCommand } from '@gapless/core';

// What the stores make of commands, the same in each.

/** The message that a send becomes at this place. */
export function messageOf(command: SendCommand, seq: number, rev: number): MessageRecord {
  const { op: _op, digest: _digest, membersRev: _membersRev, callerRole: _callerRole, ensureMembers: _ensureMembers, ...payload } = command;
  return { ...payload, seq, rev };
}

export function entryOf(message: MessageRecord): LogEntry {
  return { op: 'message', cid: message.cid, rev: message.rev, message };
}

/** What stands for a number whose message was lost. Its mid is none that a client may use (`MID` in the protocol). */
export function lostMessage({ cid, seq, rev, at }: { cid: string; seq: number; rev: number; at: number }): MessageRecord {
  return { cid, seq, rev, mid: `lost:${seq}`, ...LOST, at, body: '{}', recalledAt: at };
}

/** In place of the digest of a payload. */
export const LOST_DIGEST = 'lost';

/** Names the numbers of lost messages. */
export function lostEntry({ cid, rev, at, seqs }: { cid: string; rev: number; at: number; seqs: readonly number[] }): LogEntry {
  return { op: 'change', cid, rev, by: LOST.from, at, detail: { op: 'lost', seqs } };
}

/** The last number that a settlement of a conversation at `head` takes. */
export function settledUpTo({ messages, upTo }: SettleCommand, { head, reserved }: { head: number; reserved: number }): number {
  const newest = messages.reduce((max, { seq }) => Math.max(max, seq), head);
  return Math.max(newest, upTo === 'reserved' ? reserved : upTo);
}

/** The log rows of a settlement, up to a number, of a conversation that was at `head` and `rev`, in which these numbers are lost. */
export function settledEntries(
  { cid, at, messages }: SettleCommand,
  { head, rev, upTo, lost }: { head: number; rev: number; upTo: number; lost: readonly number[] },
): LogEntry[] {
  const sends = new Map(messages.map(({ seq, send }) => [seq, send]));
  const isLost = new Set(lost);
  const entries: LogEntry[] = [];
  for (let seq = head + 1; seq <= upTo; seq++) {
    const place = { cid, seq, rev: rev + seq - head, at };
    entries.push(entryOf(isLost.has(seq) ? lostMessage(place) : messageOf(sends.get(seq)!, seq, place.rev)));
  }
  if (lost.length > 0) entries.push(lostEntry({ cid, rev: rev + upTo - head + 1, at, seqs: lost }));
  return entries;
}
