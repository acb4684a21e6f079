import { type CommittedEntry, committedEntry } from '../events.ts';
import type { MessageRecord } from '../model.ts';
import type { Accepted } from '../ports/accept-log.ts';
import type { SendCommand } from '../ports/store.ts';

/** An accepted message as a reader gets it before it is saved. */
export function recordOf(send: SendCommand, seq: number, rev: number): MessageRecord {
  const { cid, mid, from, at, kind, body, replyTo, threadRoot, mentions } = send;
  return {
    cid,
    seq,
    rev,
    mid,
    from,
    at,
    kind,
    body,
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(threadRoot === undefined ? {} : { threadRoot }),
    ...(mentions === undefined ? {} : { mentions }),
    stage: 'accepted',
  };
}

/** The same as listeners are told of it. */
export function toldEntry({ send, seq, rev }: Accepted): CommittedEntry {
  return committedEntry({ op: 'message', cid: send.cid, rev, message: recordOf(send, seq, rev) });
}

/** The same when it is saved. */
export function savedEntry({ send, seq, rev }: Accepted): CommittedEntry {
  const { stage: _stage, ...message } = recordOf(send, seq, rev);
  return committedEntry({ op: 'message', cid: send.cid, rev, message });
}

/** What is kept of a send when it has its numbers: its rights were looked at. */
export function withoutRights({ membersRev: _members, callerRole: _role, ensureMembers: _ensure, ...send }: SendCommand): SendCommand {
  return send;
}
