import type { AcceptTail, Opening, OpeningTicket } from '@gapless/core';
import { OPENING_MS } from '../rules.ts';
import { isOpen, remember } from './accepting.ts';
import { type ConversationState, type EpochState, newGeneration } from './state.ts';

export function intend(state: EpochState, cid: string, now: number): OpeningTicket | 'opening' | 'open' | 'held' {
  const conversation = conversationOf(state, cid, now);
  if (conversation?.state === 'opening') {
    if (now - conversation.since < OPENING_MS) return 'opening';
  } else if (conversation !== undefined) {
    return conversation.state === 'open' ? 'open' : 'held';
  }
  const opening = ++state.openings;
  const first = conversation?.first ?? opening;
  state.conversations.set(cid, { state: 'opening', opening, first, since: now });
  return { opening, first };
}

/** Only whose `intend` was the last one opens. */
export function open(state: EpochState, { cid, opening, head, rev, mids, ...rest }: Opening, now: number): boolean {
  const conversation = conversationOf(state, cid, now);
  if (conversation?.state === 'opening' && conversation.opening === opening) {
    const young = newGeneration();
    for (const first of mids) remember(young, first);
    const { membersRev, reserved, knownFrom } = rest;
    const fresh = { opening, head, rev, savedHead: head, savedRev: rev, reserved, membersRev, knownFrom };
    state.conversations.set(cid, { ...fresh, state: 'open', young, old: newGeneration(), turnedAt: now, pending: new Map() });
  }
  return isOpen(state.conversations.get(cid));
}

export function hold(state: EpochState, cid: string): AcceptTail | undefined {
  const conversation = state.conversations.get(cid);
  if (isOpen(conversation)) conversation.state = 'held';
  return tailOf(conversation);
}

/** Entries that the store has, and the log was not told so, stay in their shard. */
export function close(state: EpochState, cid: string, { opening, until }: { opening: number; until: number }): void {
  const conversation = state.conversations.get(cid);
  if (conversation?.state === 'held' && conversation.opening === opening) state.conversations.set(cid, { state: 'shut', until });
}

export function tailOf(conversation: ConversationState | undefined): AcceptTail | undefined {
  if (!isOpen(conversation)) return undefined;
  const { opening, head, rev, savedHead, savedRev } = conversation;
  return { opening, head, rev, savedHead, savedRev };
}

/** One that is shut no longer is not there. */
function conversationOf({ conversations }: EpochState, cid: string, now: number): ConversationState | undefined {
  const conversation = conversations.get(cid);
  if (conversation?.state !== 'shut' || conversation.until > now) return conversation;
  conversations.delete(cid);
  return undefined;
}
