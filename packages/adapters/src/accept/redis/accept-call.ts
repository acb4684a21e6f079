import type { AcceptLogAway, AcceptOutcome, AcceptRequest } from '@gapless/core';
import { ErrorReply } from '@redis/client';
import { identityOf, type Memory, OPENING_MS, sayNoMessage, shardHashOf, withoutRights } from '../rules.ts';
import type { EntryMessage } from './entries.ts';
import { bytesOf } from './keys.ts';
import type { Reply } from './link.ts';

/** Arguments of `accept.lua`. */
export function acceptArgs(requests: readonly AcceptRequest[], { backlogMax, memory }: { backlogMax: number; memory: Memory }): string[] {
  const args = [`${backlogMax}`, `${memory.ms}`, `${OPENING_MS}`, `${memory.mids}`];
  for (const { node, send, looked } of requests) {
    const { cid, mid, at, replyTo = 0, threadRoot = 0, membersRev = '' } = send;
    const message: EntryMessage = { node, send: withoutRights(send) };
    args.push(bytesOf(cid), `${shardHashOf(cid)}`, bytesOf(mid), identityOf(send), `${at}`);
    args.push(`${replyTo}`, `${threadRoot}`, `${membersRev}`, looked ? '1' : '', JSON.stringify(message), bytesOf(node));
  }
  return args;
}

const FULL = 'full';

/** Redis has no memory left, and nothing happened: there is when something is saved. */
export function fullOrAway(error: AcceptLogAway): typeof FULL {
  if (error.cause instanceof ErrorReply && /\bOOM\b/.test(error.cause.message)) return FULL;
  throw error;
}

/** For each request the script answers so many values. */
const WIDTH = 4;

export function acceptOutcomes(reply: Reply, requests: readonly AcceptRequest[]): AcceptOutcome[] {
  if (reply === FULL) return requests.map(() => ({ ok: false, code: 'busy' }));
  if (!Array.isArray(reply)) return requests.map(() => ({ ok: false, code: 'over' }));
  return requests.map((_, i) => outcomeOf(reply.slice(WIDTH * i, WIDTH * (i + 1)) as string[]));
}

function outcomeOf([code, seq, rev, at]: readonly string[]): AcceptOutcome {
  switch (code) {
    case 'new':
    case 'dup':
    case 'saved':
      return { ok: true, seq: Number(seq), rev: Number(rev), at: Number(at), dup: code !== 'new', saved: code === 'saved' };
    case 'replyTo':
    case 'threadRoot':
      return { ok: false, code: 'bad_frame', say: sayNoMessage(code) };
    default:
      return { ok: false, code: code as (AcceptOutcome & { ok: false })['code'] };
  }
}
