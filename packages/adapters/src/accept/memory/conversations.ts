import type { AcceptTail, Opening } from '@gapless/core';
import { OPENING_MS } from '../rules.ts';
import { isOpen, remember } from './accepting.ts';
import { type ConversationState, type EpochState, newGeneration } from './state.ts';

export function intend(state: EpochState, cid: string, { token, now }: { token: number; now: number }) {
  const conversation = conversationOf(state, cid, now);
  if (conversation?.state === 'opening') {
    if (now - conversation.since < OPENING_MS) return 'opening';
  } else if (conversation !== undefined) {
    return conversation.state === 'open' ? 'open' : 'held';
  }
  state.used = true;
  state.conversations.set(cid, { state: 'opening', token, since: now });
  return conversation === undefined ? 'mine' : 'again';
}

/** Only whose `intend` was the last one opens. */
export function open(
  state: EpochState,
  { cid, head, rev, mids, ...rest }: Opening,
  { token, now }: { token: number; now: number },
): boolean {
  const conversation = conversationOf(state, cid, now);
  if (conversation?.state === 'opening' && conversation.token === token) {
    const young = newGeneration();
    for (const first of mids) remember(young, first);
    const { membersRev, reserved, knownFrom } = rest;
    const fresh = { head, rev, savedHead: head, savedRev: rev, reserved, membersRev, knownFrom };
    state.conversations.set(cid, { ...fresh, state: 'open', young, old: newGeneration(), turnedAt: now, pending: new Map() });
  }
  return isOpen(state.conversations.get(cid));
}

export function hold(state: EpochState, cid: string): AcceptTail | undefined {
  const conversation = state.conversations.get(cid);
  if (isOpen(conversation)) conversation.state = 'held';
  return tailOf(conversation);
}

/** @throws Error when something could still be accepted, or was and is not saved */
export function close(state: EpochState, cid: string, until: number): void {
  const conversation = state.conversations.get(cid);
  if (conversation?.state === 'open' || (isOpen(conversation) && conversation.head > conversation.savedHead))
    throw new Error('accept log: a conversation is closed when it is held, and all of it is saved');
  state.conversations.set(cid, { state: 'shut', until });
}

export function unhold(state: EpochState, cid: string): void {
  const conversation = state.conversations.get(cid);
  if (isOpen(conversation)) conversation.state = 'open';
}

export function tailOf(conversation: ConversationState | undefined): AcceptTail | undefined {
  if (!isOpen(conversation)) return undefined;
  const { head, rev, savedHead, savedRev } = conversation;
  return { head, rev, savedHead, savedRev };
}

/** One that is shut no longer is not there. */
function conversationOf({ conversations }: EpochState, cid: string, now: number): ConversationState | undefined {
  const conversation = conversations.get(cid);
  if (conversation?.state !== 'shut' || conversation.until > now) return conversation;
  conversations.delete(cid);
  return undefined;
}
