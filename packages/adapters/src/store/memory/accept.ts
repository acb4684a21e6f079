import type { AcceptStore, FirstOutcome } from '@gapless/core';
import { LOST } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { byBytes, type MemoryConversation, type MemoryState } from './state.ts';

export function createMemoryAccept(state: MemoryState, clock: Pick<Clock, 'now'>): AcceptStore {
  const { conversations, acceptNodes: nodes, rescued } = state;

  return {
    acceptState: async () => state.acceptState,

    async moveAcceptState(from, to) {
      const now = state.acceptState;
      if (now.epoch !== from.epoch || now.state !== from.state) return false;
      state.acceptState = { epoch: to.epoch, state: to.state };
      return true;
    },

    async seenAccepting({ node, epoch, handedIn, leaseMs }) {
      const { acceptState: now } = state;
      if (now.epoch !== epoch || !(now.state === 'open' || (handedIn && now.state === 'settling'))) return false;
      const before = nodes.get(node);
      const was = before?.epoch === epoch && before.handedIn;
      nodes.set(node, { node, epoch, handedIn: handedIn || was, liveUntil: clock.now() + leaseMs });
      return true;
    },

    acceptNodes: async (epoch) =>
      [...nodes.values()]
        .filter((node) => node.epoch === epoch)
        .sort((a, b) => byBytes(a.node, b.node))
        .map(({ node, handedIn, liveUntil }) => ({ node, epoch, handedIn, live: liveUntil > clock.now() })),

    async forgetAcceptNode(node, epoch) {
      if (nodes.get(node)?.epoch === epoch) nodes.delete(node);
    },

    async rescue(accepted) {
      for (const item of accepted) {
        const key = JSON.stringify([item.epoch, item.send.cid, item.seq]);
        if (!rescued.has(key)) rescued.set(key, item);
      }
    },

    rescued: async (epoch, cids) =>
      [...rescued.values()]
        .filter((item) => item.epoch === epoch && cids.includes(item.send.cid) && item.seq > headOf(conversations.get(item.send.cid)))
        .sort((a, b) => byBytes(a.send.cid, b.send.cid) || a.seq - b.seq),

    async clearRescued(epoch) {
      for (const [key, item] of rescued) if (item.epoch === epoch) rescued.delete(key);
    },

    openConversations: async (epoch, { after, limit }) =>
      [...conversations.values()]
        .filter(({ cid, acceptEpoch }) => acceptEpoch === epoch && byBytes(cid, after) > 0)
        .sort((a, b) => byBytes(a.cid, b.cid))
        .slice(0, limit)
        .map(({ cid, messages, log, reserved }) => ({ cid, head: messages.length, rev: log.length, reserved })),

    firstOutcomes: async (cid, mids) => mids.map((mid) => firstOutcome(conversations.get(cid), mid)),

    midsAfter: async (cid, after, limit) =>
      (conversations.get(cid)?.messages ?? [])
        .filter(({ mid, kind }) => kind !== LOST.kind && byBytes(mid, after) > 0)
        .sort((a, b) => byBytes(a.mid, b.mid))
        .slice(0, limit)
        .map(({ mid }) => firstOutcome(conversations.get(cid), mid)!),
  };
}

/** No conversation: nothing is above its head. */
function headOf(conversation: MemoryConversation | undefined): number {
  return conversation?.messages.length ?? Number.POSITIVE_INFINITY;
}

function firstOutcome(conversation: MemoryConversation | undefined, mid: string): FirstOutcome | undefined {
  const first = conversation?.byMid.get(mid);
  if (first === undefined) return undefined;
  const { seq, rev, at, from } = first.message;
  return { mid, seq, rev, at, from, digest: first.digest };
}
