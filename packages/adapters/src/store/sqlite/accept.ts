import type { DatabaseSync } from 'node:sqlite';
import type { Accepted, AcceptState, AcceptStore, FirstOutcome, OpenConversation } from '@gapless/core';
import type { Sync } from './reads.ts';

type Reads = 'acceptState' | 'acceptNodes' | 'rescued' | 'openConversations' | 'firstOutcomes' | 'midsAfter';

const FIRST = 'mid, seq, rev, at, sender AS "from", digest';

export function createAcceptReads(db: DatabaseSync): Sync<Pick<AcceptStore, Reads>> {
  const state = db.prepare('SELECT epoch, state FROM accept_state');
  const nodes = db.prepare(
    'SELECT node, epoch, handed_in AS handedIn, live_until AS liveUntil FROM accept_node WHERE epoch = ? ORDER BY node',
  );
  const conversation = db.prepare('SELECT id, head FROM conversation WHERE cid = ?');
  const rescued = db.prepare('SELECT epoch, seq, rev, node, send FROM accept_rescue WHERE epoch = ? AND cid = ? AND seq > ? ORDER BY seq');
  const open = db.prepare(
    `SELECT cid, head, rev, reserved FROM conversation
     WHERE accept_epoch = ? AND accept_epoch <> 0 AND cid > ? ORDER BY cid LIMIT ?`,
  );
  const first = db.prepare(`SELECT ${FIRST} FROM message WHERE conv = ? AND mid = ?`);
  const midsAfter = db.prepare(
    `SELECT ${FIRST} FROM message INDEXED BY message_mid WHERE conv = ? AND mid > ? AND kind <> 'lost' ORDER BY mid LIMIT ?`,
  );
  const find = (cid: string) => conversation.get(cid) as { id: number; head: number } | undefined;

  return {
    acceptState: () => (state.get() as AcceptState | undefined) ?? { epoch: 0, state: 'closed' },

    acceptNodes(epoch) {
      const now = Date.now();
      const rows = nodes.all(epoch) as unknown as { node: string; epoch: number; handedIn: number; liveUntil: number }[];
      return rows.map(({ node, handedIn, liveUntil }) => ({ node, epoch, handedIn: handedIn === 1, live: liveUntil > now }));
    },

    rescued(epoch, cids) {
      const ordered = [...new Set(cids)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      return ordered.flatMap((cid) => {
        const place = find(cid);
        if (place === undefined) return [];
        const rows = rescued.all(epoch, cid, place.head) as unknown as (Omit<Accepted, 'send'> & { send: string })[];
        return rows.map((row) => ({ ...row, send: JSON.parse(row.send) as Accepted['send'] }));
      });
    },

    openConversations: (epoch, { after, limit }) => open.all(epoch, after, limit) as unknown as OpenConversation[],

    firstOutcomes(cid, mids) {
      const conv = find(cid)?.id ?? -1;
      return mids.map((mid) => first.get(conv, mid) as FirstOutcome | undefined);
    },

    midsAfter: (cid, after, limit) => midsAfter.all(find(cid)?.id ?? -1, after, limit) as unknown as FirstOutcome[],
  };
}

/** Each is a transaction of its own. The clock is this machine's: all who share the file do. */
export function createAcceptWrites(db: DatabaseSync): Sync<Omit<AcceptStore, Reads>> {
  const first = db.prepare("INSERT INTO accept_state VALUES (1, 0, 'closed') ON CONFLICT DO NOTHING");
  const move = db.prepare('UPDATE accept_state SET epoch = ?, state = ? WHERE epoch = ? AND state = ?');
  const isIn = db.prepare("SELECT 1 FROM accept_state WHERE epoch = ? AND (state = 'open' OR (state = 'settling' AND ? = 1))");
  const seen = db.prepare(
    `INSERT INTO accept_node (node, epoch, handed_in, live_until) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET epoch = excluded.epoch, live_until = excluded.live_until,
       handed_in = max(excluded.handed_in, CASE WHEN epoch = excluded.epoch THEN handed_in ELSE 0 END)`,
  );
  const forget = db.prepare('DELETE FROM accept_node WHERE node = ? AND epoch = ?');
  const rescue = db.prepare(
    'INSERT INTO accept_rescue (epoch, cid, seq, rev, node, send) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const clear = db.prepare('DELETE FROM accept_rescue WHERE epoch = ?');

  return {
    moveAcceptState(from, to) {
      first.run();
      return move.run(to.epoch, to.state, from.epoch, from.state).changes > 0;
    },

    seenAccepting({ node, epoch, handedIn, leaseMs }) {
      if (isIn.get(epoch, handedIn ? 1 : 0) === undefined) return false;
      seen.run(node, epoch, handedIn ? 1 : 0, Date.now() + leaseMs);
      return true;
    },

    forgetAcceptNode(node, epoch) {
      forget.run(node, epoch);
    },

    rescue(accepted) {
      for (const { epoch, seq, rev, node, send } of accepted) rescue.run(epoch, send.cid, seq, rev, node, JSON.stringify(send));
    },

    clearRescued(epoch) {
      clear.run(epoch);
    },
  };
}
