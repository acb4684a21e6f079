import type { Committed, Directory } from '@gapless/core';
import { RECEIPTS_MAX_PARTICIPANTS } from '@gapless/protocol';
import { Frame } from './frame.ts';
import type { Hub } from './hub.ts';

/**
 * Tells positions to who joined the conversation, newest value only. In a conversation of many, only the user's own devices hear of
 * their reads: n readers times n listeners would be most of the traffic.
 */
export function publishReceipts(hub: Hub, directory: Directory, { entries, receipts }: Committed): void {
  keepStandings(hub, entries, receipts);
  for (const { op, cid, uid, pos } of receipts) {
    const channel = hub.channel(cid);
    if (channel === undefined) continue;
    const many = (directory.peek(cid)?.members.size ?? Number.POSITIVE_INFINITY) > RECEIPTS_MAX_PARTICIPANTS;
    const frame = Frame.of({ t: op, cid, pos, from: uid });
    const key = `${op} ${cid} ${uid}`;
    for (const { session, joined, ending } of channel.subscriptions) {
      const own = session.actor?.uid === uid;
      if (own ? op === 'delivered' : many) continue;
      // Before `joined` there is nothing to tell; the join itself sends the positions.
      if (joined && !ending) hub.flusher.merge(session, key, frame, { droppable: false });
    }
  }
}

/** Receipts before entries: who read something and was removed in one batch is gone. */
function keepStandings(hub: Hub, entries: Committed['entries'], receipts: Committed['receipts']): void {
  for (const { op, cid, uid, pos } of receipts) hub.channel(cid)?.standings?.advance(op, uid, pos);
  for (const entry of entries) {
    const standings = hub.channel(entry.cid)?.standings;
    if (standings === undefined) continue;
    // Sending reads.
    if (entry.op === 'message') standings.advance('read', entry.from, entry.seq);
    else if (entry.detail.op === 'participants_removed') for (const uid of entry.detail.users) standings.forget(uid);
  }
}
