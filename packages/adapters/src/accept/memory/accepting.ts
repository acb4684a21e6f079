import type { Accepted, AcceptOutcome, AcceptRequest, FirstOutcome } from '@gapless/core';
import { isUlid } from '@gapless/kit';
import { badReference, type Memory, OPENING_MS, shardHashOf, withoutRights } from '../rules.ts';
import { type ConversationState, type EpochState, type Generation, newGeneration, type OpenState } from './state.ts';

export interface AcceptLimits {
  readonly backlogMax: number;
  readonly memory: Memory;
}

export interface AcceptTime extends AcceptLimits {
  readonly epoch: number;
  readonly now: number;
}

/** Numbers for sends, in their order, or why there are none. */
export function acceptAll(state: EpochState, requests: readonly AcceptRequest[], time: AcceptTime): AcceptOutcome[] {
  const refused = new Map<string, AcceptOutcome>();
  return requests.map((request) => {
    if (!state.admitted.has(request.node)) return { ok: false, code: 'over' };
    const { cid } = request.send;
    const conversation = state.conversations.get(cid);
    if (!isAccepting(conversation)) return { ok: false, code: refusal(conversation, time.now) };
    const known = knownOutcome(state, conversation, request, time);
    if (known?.ok === false && (known.code === 'mid_conflict' || known.code === 'bad_frame')) return known;
    // Who comes back with what was refused finds nothing behind it accepted before it.
    const before = refused.get(cid);
    if (before !== undefined) return before;
    if (known === undefined) return give(state, conversation, request, time);
    if (!known.ok) refused.set(cid, known);
    return known;
  });
}

/** Why a send gets no number, or what it has; undefined where it is new. */
function knownOutcome(state: EpochState, conversation: OpenState, request: AcceptRequest, time: AcceptTime): AcceptOutcome | undefined {
  const { send, looked } = request;
  if (send.membersRev !== undefined && send.membersRev !== conversation.membersRev) return { ok: false, code: 'stale' };
  const say = badReference(request, conversation.head);
  if (say !== undefined) return { ok: false, code: 'bad_frame', say };
  const first = conversation.young.mids.get(send.mid) ?? conversation.old.mids.get(send.mid);
  if (first !== undefined) return repeated(conversation, first, request);
  if (conversation.head >= conversation.reserved) return { ok: false, code: 'full' };
  if (state.waiting >= time.backlogMax) return { ok: false, code: 'busy' };
  if (!looked && !(isUlid(send.mid) && send.mid > conversation.knownFrom)) return { ok: false, code: 'unsure' };
  return undefined;
}

export function remember(generation: Generation, first: FirstOutcome): void {
  generation.mids.set(first.mid, first);
  if (isUlid(first.mid) && first.mid > generation.top) generation.top = first.mid;
  generation.lastSeq = Math.max(generation.lastSeq, first.seq);
}

export function isOpen(conversation: ConversationState | undefined): conversation is OpenState {
  return conversation?.state === 'open' || conversation?.state === 'held';
}

function isAccepting(conversation: ConversationState | undefined): conversation is OpenState {
  return conversation?.state === 'open';
}

function refusal(conversation: ConversationState | undefined, now: number): 'closed' | 'opening' | 'held' {
  if (conversation?.state === 'opening') return now - conversation.since < OPENING_MS ? 'opening' : 'closed';
  if (conversation?.state === 'shut') return conversation.until > now ? 'held' : 'closed';
  return conversation === undefined ? 'closed' : 'held';
}

function repeated(conversation: OpenState, first: FirstOutcome, { send }: AcceptRequest): AcceptOutcome {
  if (first.from !== send.from || first.digest !== send.digest) return { ok: false, code: 'mid_conflict' };
  const { seq, rev, at } = first;
  return { ok: true, seq, rev, at, dup: true, saved: seq <= conversation.savedHead };
}

function give(state: EpochState, conversation: OpenState, { node, send }: AcceptRequest, { epoch, now, memory }: AcceptTime) {
  const seq = ++conversation.head;
  const rev = ++conversation.rev;
  const accepted: Accepted = { epoch, seq, rev, node, send: withoutRights(send) };
  if (canTurn(conversation, now, memory)) turn(conversation, now);
  const { mid, at, from, digest } = send;
  remember(conversation.young, { mid, seq, rev, at, from, digest });
  conversation.pending.set(rev, accepted);
  const shard = state.shards[shardHashOf(send.cid) % state.shards.length]!;
  shard.entries.set(++shard.lastId, { accepted, at: now });
  state.waiting++;
  return { ok: true, seq, rev, at, dup: false, saved: false } as const;
}

function canTurn({ young, old, savedHead, turnedAt }: OpenState, now: number, memory: Memory): boolean {
  return young.mids.size >= memory.mids && old.lastSeq <= savedHead && now - turnedAt >= memory.ms;
}

/** The older generation is forgotten. */
function turn(conversation: OpenState, now: number): void {
  if (conversation.old.top > conversation.knownFrom) conversation.knownFrom = conversation.old.top;
  conversation.old = conversation.young;
  conversation.young = newGeneration();
  conversation.turnedAt = now;
}
