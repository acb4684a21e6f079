import type { Outcome, SendCommand } from '@gapless/core';
import { extraOf } from '../../rows.ts';
import type { Batch, ConversationState } from './batch.ts';

/** The next message of its conversation, or the first outcome of the same mid. */
export function send(batch: Batch, command: SendCommand): Outcome {
  const state = batch.conversation(command.cid);
  if (state === undefined) return { ok: false, code: 'not_participant' };
  const seq = state.head + 1;
  if ((command.replyTo ?? 0) >= seq) return { ok: false, code: 'bad_frame', say: 'replyTo: there is no such message' };
  if ((command.threadRoot ?? 0) >= seq) return { ok: false, code: 'bad_frame', say: 'threadRoot: there is no such message' };
  const { mid, from, at, kind, body, digest } = command;
  const rev = state.rev + 1;
  const inserted = batch
    .sql(
      `INSERT INTO message (conv, seq, rev, mid, sender, at, kind, body, extra, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (conv, mid) DO NOTHING`,
    )
    .run(state.id, seq, rev, mid, from, at, kind, body, extraOf(command) ?? null, digest);
  if (inserted.changes === 0) return firstOutcome(batch, state, command);
  batch.sql("INSERT INTO log (conv, rev, op, seq, actor, at) VALUES (?, ?, 'message', ?, ?, ?)").run(state.id, rev, seq, from, at);
  state.head = seq;
  state.rev = rev;
  state.updatedAt = Math.max(state.updatedAt, at);
  batch.touch(state);
  batch.sent(state.id, from, seq);
  // The entry is put together by the other side of the worker, which has the command: the body travels one way only.
  return { ok: true, op: 'send', seq, rev, at, dup: false };
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
