import type { Committed, Directory } from '@gapless/core';
import { RECEIPTS_MAX_PARTICIPANTS } from '@gapless/protocol';
import { Frame } from './frame.ts';
import type { Hub } from './hub.ts';

/**
 * Tells positions to who joined the conversation, newest value only. In a conversation of many, only the user's own devices hear of
 * their reads: n readers times n listeners would be most of the traffic.
 */
export function publishReceipts(hub: Hub, directory: Directory, { entries, receipts }: Committed): void {
  for (const receipt of receipts) {
    const { op, cid, uid } = receipt;
    const channel = hub.channel(cid);
    if (channel === undefined) continue;
    const known = directory.peek(cid);
    if (known !== undefined && !known.doubtful && !known.members.has(uid)) continue;
    // Another node's may come late: behind a newer one it says nothing new. Where no standings are kept, who is known by the directory.
    if (channel.standings?.advance(op, uid, receipt.pos) === false) continue;
    const pos = op === 'read' ? Math.max(receipt.pos, known?.members.get(uid)?.lastRead ?? 0) : receipt.pos;
    const many = (known?.members.size ?? channel.subscriptions.size) > RECEIPTS_MAX_PARTICIPANTS;
    const frame = Frame.of({ t: op, cid, pos, from: uid });
    const key = `${op} ${cid} ${uid}`;
    for (const subscription of channel.subscriptions) {
      const { session, joined, ending } = subscription;
      const own = session.actor?.uid === uid;
      if (own ? op === 'delivered' || pos <= subscription.ownRead : many) continue;
      if (own) subscription.ownRead = pos;
      // Before `joined` there is nothing to tell; the join itself sends the positions.
      if (joined && !ending) hub.flusher.merge(session, key, frame, { droppable: false });
    }
  }
  keepStandings(hub, entries);
}

/** Behind the receipts: who read something and was removed in one batch is gone. */
function keepStandings(hub: Hub, entries: Committed['entries']): void {
  for (const entry of entries) {
    const standings = hub.channel(entry.cid)?.standings;
    if (standings === undefined) continue;
    if (entry.op === 'message') standings.wrote(entry);
    else if (entry.detail.op === 'participants_removed') for (const uid of entry.detail.users) standings.forget(uid, entry.rev);
  }
}
