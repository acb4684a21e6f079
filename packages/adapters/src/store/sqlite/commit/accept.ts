import {
  type CloseCommand,
  LOST,
  type MessageRecord,
  type OpenCommand,
  type Outcome,
  type SaveCommand,
  type SettleCommand,
} from '@gapless/core';
import { entryOf, LOST_DIGEST, lostMessage, settledEntries, settledUpTo } from '../../entries.ts';
import type { Batch, ConversationState } from './batch.ts';
import { append } from './send.ts';

const NO_CONVERSATION: Outcome = { ok: false, code: 'not_participant' };
const OVER: Outcome = { ok: false, code: 'over' };
const AHEAD: Outcome = { ok: false, code: 'ahead' };

export function open(batch: Batch, { cid, epoch, opening, window }: OpenCommand): Outcome {
  const state = batch.conversation(cid);
  if (state === undefined) return NO_CONVERSATION;
  const accepting = batch.sql("SELECT epoch FROM accept_state WHERE state = 'open'").get() as { epoch: number } | undefined;
  if (epoch === 0 || accepting?.epoch !== epoch) return OVER;
  if (state.acceptEpoch !== 0 && state.acceptEpoch !== epoch) return OVER;
  if (state.acceptOpened === epoch && opening < state.acceptOpening) return OVER;
  const before = state.acceptEpoch === 0 ? 0 : state.acceptOpening;
  state.acceptEpoch = epoch;
  state.acceptOpening = opening;
  state.acceptOpened = epoch;
  reserve(state, window);
  batch.touch(state);
  const { head, rev, membersRev, reserved } = state;
  return { ok: true, op: 'open', before, head, rev, membersRev, reserved };
}

export function save(batch: Batch, { cid, epoch, seq, rev, send, window }: SaveCommand): Outcome {
  const state = batch.conversation(cid);
  if (state === undefined) return NO_CONVERSATION;
  const there = seqOf(batch, state, send.mid);
  if (there === seq) return { ok: true, op: 'save', dup: true, reserved: state.reserved };
  if (!isOpenIn(state, epoch)) return OVER;
  if (seq <= state.head) return there === undefined ? OVER : { ok: false, code: 'twice' };
  if (seq > state.head + 1) return AHEAD;
  if (rev !== state.rev + 1) return OVER;
  if (there !== undefined) {
    const message = lostMessage({ cid, seq, rev, at: send.at });
    appendLost(batch, state, message);
    reserve(state, window);
    return { ok: false, code: 'twice', entries: [entryOf(message)] };
  }
  append(batch, state, send);
  reserve(state, window);
  // Its entry is made where that of a send is.
  return { ok: true, op: 'save', dup: false, reserved: state.reserved };
}

export function close(batch: Batch, { cid, epoch, opening, head }: CloseCommand): Outcome {
  const state = batch.conversation(cid);
  if (state === undefined) return NO_CONVERSATION;
  if (!isOpenIn(state, epoch, opening)) return OVER;
  if (state.head !== head) return AHEAD;
  end(batch, state);
  return { ok: true, op: 'close' };
}

export function settle(batch: Batch, command: SettleCommand): Outcome {
  const { cid, epoch, opening, at, messages } = command;
  const state = batch.conversation(cid);
  if (state === undefined) return NO_CONVERSATION;
  if (!isOpenIn(state, epoch, opening)) return { ok: true, op: 'settle', entries: [] };
  const { head, rev } = state;
  const upTo = settledUpTo(command, state);
  const sends = new Map(messages.map(({ seq, send }) => [seq, send]));
  const lost: number[] = [];
  for (let seq = head + 1; seq <= upTo; seq++) {
    const send = sends.get(seq);
    if (send === undefined || seqOf(batch, state, send.mid) !== undefined) {
      lost.push(seq);
      appendLost(batch, state, lostMessage({ cid, seq, rev: state.rev + 1, at }));
    } else append(batch, state, send);
  }
  if (lost.length > 0) batch.log(state, { by: LOST.from, at, detail: { op: 'lost', seqs: lost } });
  end(batch, state);
  return { ok: true, op: 'settle', entries: settledEntries(command, { head, rev, upTo, lost }) };
}

/** Epoch 0 is none: then the store gives the numbers. Without `opening`: by any. */
function isOpenIn({ acceptEpoch, acceptOpening }: ConversationState, epoch: number, opening = acceptOpening): boolean {
  return epoch !== 0 && acceptEpoch === epoch && acceptOpening === opening;
}

function seqOf(batch: Batch, state: ConversationState, mid: string): number | undefined {
  const row = batch.sql('SELECT seq FROM message WHERE conv = ? AND mid = ?').get(state.id, mid) as { seq: number } | undefined;
  return row?.seq;
}

function appendLost(batch: Batch, state: ConversationState, { mid, from, at, kind, body }: MessageRecord): void {
  append(batch, state, { mid, from, at, kind, body, digest: LOST_DIGEST });
  batch.sql('UPDATE message SET recalled_at = ? WHERE conv = ? AND seq = ?').run(at, state.id, state.head);
}

function reserve(state: ConversationState, window: number): void {
  state.reserved = Math.max(state.reserved, state.head + window);
}

function end(batch: Batch, state: ConversationState): void {
  state.acceptEpoch = 0;
  state.reserved = 0;
  batch.touch(state);
}
