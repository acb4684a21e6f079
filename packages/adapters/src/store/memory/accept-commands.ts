import type { CloseCommand, LogEntry, MessageRecord, OpenCommand, Outcome, SaveCommand, SettleCommand } from '@gapless/core';
import { entryOf, LOST_DIGEST, lostEntry, lostMessage, messageOf, settledUpTo } from '../entries.ts';
import type { MemoryConversation, MemoryState } from './state.ts';

const OVER: Outcome = { ok: false, code: 'over' };
const AHEAD: Outcome = { ok: false, code: 'ahead' };

export function open(state: MemoryState, conversation: MemoryConversation, { epoch, opening, window }: OpenCommand): Outcome {
  const { acceptState } = state;
  if (epoch === 0 || acceptState.state !== 'open' || acceptState.epoch !== epoch) return OVER;
  const { messages, log, membersRev, acceptEpoch, acceptOpening, acceptOpened } = conversation;
  if (acceptEpoch !== 0 && acceptEpoch !== epoch) return OVER;
  if (acceptOpened === epoch && opening < acceptOpening) return OVER;
  conversation.acceptEpoch = epoch;
  conversation.acceptOpening = opening;
  conversation.acceptOpened = epoch;
  const before = acceptEpoch === 0 ? 0 : acceptOpening;
  return { ok: true, op: 'open', before, head: messages.length, rev: log.length, membersRev, reserved: reserve(conversation, window) };
}

export function save(conversation: MemoryConversation, { epoch, seq, rev, send, window }: SaveCommand): Outcome {
  const { messages, log, byMid } = conversation;
  const there = messages[seq - 1];
  if (there?.mid === send.mid) return { ok: true, op: 'save', dup: true, reserved: conversation.reserved };
  if (!isOpenIn(conversation, epoch)) return OVER;
  const isTwice = byMid.has(send.mid);
  if (there !== undefined) return isTwice ? { ok: false, code: 'twice' } : OVER;
  if (seq > messages.length + 1) return AHEAD;
  if (rev !== log.length + 1) return OVER;
  const entry = isTwice
    ? append(conversation, lostMessage({ cid: send.cid, seq, rev, at: send.at }), LOST_DIGEST)
    : append(conversation, messageOf(send, seq, rev), send.digest);
  const reserved = reserve(conversation, window);
  return isTwice ? { ok: false, code: 'twice', entries: [entry] } : { ok: true, op: 'save', dup: false, reserved, entry };
}

export function close(conversation: MemoryConversation, { epoch, opening, head }: CloseCommand): Outcome {
  if (!isOpenIn(conversation, epoch, opening)) return OVER;
  if (conversation.messages.length !== head) return AHEAD;
  end(conversation);
  return { ok: true, op: 'close' };
}

export function settle(conversation: MemoryConversation, command: SettleCommand): Outcome {
  const { cid, epoch, opening, at, messages } = command;
  if (!isOpenIn(conversation, epoch, opening)) return { ok: true, op: 'settle', entries: [] };
  const upTo = settledUpTo(command, { head: conversation.messages.length, reserved: conversation.reserved });
  const bySeq = new Map(messages.map((item) => [item.seq, item.send]));
  const entries: LogEntry[] = [];
  const lost: number[] = [];
  for (let seq = conversation.messages.length + 1; seq <= upTo; seq++) {
    const rev = conversation.log.length + 1;
    const send = bySeq.get(seq);
    if (send === undefined || conversation.byMid.has(send.mid)) {
      lost.push(seq);
      entries.push(append(conversation, lostMessage({ cid, seq, rev, at }), LOST_DIGEST));
    } else entries.push(append(conversation, messageOf(send, seq, rev), send.digest));
  }
  if (lost.length > 0) {
    const entry = lostEntry({ cid, rev: conversation.log.length + 1, at, seqs: lost });
    conversation.log.push(entry);
    entries.push(entry);
  }
  end(conversation);
  return { ok: true, op: 'settle', entries };
}

/** Epoch 0 is none: then the store gives the numbers. Without `opening`: by any. */
function isOpenIn({ acceptEpoch, acceptOpening }: MemoryConversation, epoch: number, opening = acceptOpening): boolean {
  return epoch !== 0 && acceptEpoch === epoch && acceptOpening === opening;
}

/** The message at its place, which is the next one. */
export function append(conversation: MemoryConversation, message: MessageRecord, digest: string): LogEntry {
  const entry = entryOf(message);
  conversation.messages.push(message);
  conversation.byMid.set(message.mid, { message, digest });
  conversation.log.push(entry);
  conversation.updatedAt = Math.max(conversation.updatedAt, message.at);
  return entry;
}

function reserve(conversation: MemoryConversation, window: number): number {
  conversation.reserved = Math.max(conversation.reserved, conversation.messages.length + window);
  return conversation.reserved;
}

function end(conversation: MemoryConversation): void {
  conversation.acceptEpoch = 0;
  conversation.reserved = 0;
}
