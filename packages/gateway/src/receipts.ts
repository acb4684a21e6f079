import type { Committed, Directory } from '@gapless/core';
import { RECEIPTS_MAX_PARTICIPANTS } from '@gapless/protocol';
import { Frame } from './frame.ts';
import type { Hub } from './hub.ts';

export function receiptKey(op: 'read' | 'delivered', cid: string, uid: string): string {
  return `${op} ${cid} ${uid}`;
}

/**
 * Tells positions to who joined the conversation, newest value only. In a conversation of many, only the user's own devices hear of
 * their reads: n readers times n listeners would be most of the traffic.
 */
export function publishReceipts(hub: Hub, directory: Directory, { receipts }: Committed): void {
  for (const { op, cid, uid, pos } of receipts) {
    const channel = hub.channel(cid);
    if (channel === undefined) continue;
    const many = (directory.peek(cid)?.members.size ?? Number.POSITIVE_INFINITY) > RECEIPTS_MAX_PARTICIPANTS;
    const frame = Frame.of({ t: op, cid, pos, from: uid });
    const key = receiptKey(op, cid, uid);
    for (const { session, joined, ending } of channel.subscriptions) {
      const own = session.actor?.uid === uid;
      if (own ? op === 'delivered' : many) continue;
      // Before `joined` there is nothing to tell; the join itself sends the positions.
      if (joined && !ending) hub.flusher.merge(session, key, frame, { droppable: false });
    }
  }
}
