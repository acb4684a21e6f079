import type { Outcome, SendCommand } from '@gapless/core';
import { extraOf } from '../../rows.ts';
import type { Batch, ConversationState } from './batch.ts';

const NO_CONVERSATION: Outcome = { ok: false, code: 'not_participant' };

/** The next message of its conversation, or the first outcome of the same mid. */
export function send(batch: Batch, command: SendCommand): Outcome {
  const state = batch.conversation(command.cid);
  if (state === undefined) return NO_CONVERSATION;
  if (command.ensureMembers && !batch.isMember(state, command.from)) return NO_CONVERSATION;
  const seq = state.head + 1;
  if ((command.replyTo ?? 0) >= seq) return { ok: false, code: 'bad_frame', say: 'replyTo: there is no such message' };
  if ((command.threadRoot ?? 0) >= seq) return { ok: false, code: 'bad_frame', say: 'threadRoot: there is no such message' };
  if (!append(batch, state, command)) return firstOutcome(batch, state, command);
  if (command.ensureMembers) batch.sent(state.id, command.from, seq);
  // The entry is put together by the other side of the worker, which has the command: the body travels one way only.
  return { ok: true, op: 'send', seq, rev: state.rev, at: command.at, dup: false };
}

type Appended = Pick<SendCommand, 'mid' | 'from' | 'at' | 'kind' | 'body' | 'digest' | 'replyTo' | 'threadRoot' | 'mentions'>;

/** Writes the message at the next place. False, and nothing happened: its mid is there. */
export function append(batch: Batch, state: ConversationState, message: Appended): boolean {
  const { mid, from, at, kind, body, digest } = message;
  const [seq, rev] = [state.head + 1, state.rev + 1];
  const inserted = batch
    .sql(
      `INSERT INTO message (conv, seq, rev, mid, sender, at, kind, body, extra, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (conv, mid) DO NOTHING`,
    )
    .run(state.id, seq, rev, mid, from, at, kind, body, extraOf(message) ?? null, digest);
  if (inserted.changes === 0) return false;
  batch.sql("INSERT INTO log (conv, rev, op, seq, actor, at) VALUES (?, ?, 'message', ?, ?, ?)").run(state.id, rev, seq, from, at);
  state.head = seq;
  state.rev = rev;
  state.updatedAt = Math.max(state.updatedAt, at);
  batch.touch(state);
  return true;
}

function firstOutcome(batch: Batch, state: ConversationState, command: SendCommand): Outcome {
  const first = batch.sql('SELECT seq, rev, at, sender, digest FROM message WHERE conv = ? AND mid = ?').get(state.id, command.mid) as {
    seq: number;
    rev: number;
    at: number;
    sender: string;
    digest: string;
  };
  if (first.sender !== command.from || first.digest !== command.digest) return { ok: false, code: 'mid_conflict' };
  return { ok: true, op: 'send', seq: first.seq, rev: first.rev, at: first.at, dup: true };
}
