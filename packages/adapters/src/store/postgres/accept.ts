import type { Accepted, AcceptState, AcceptStore, FirstOutcome, OpenConversation, SendCommand } from '@gapless/core';
import type { Query } from './query.ts';
import { numbers, stored, textList, texts } from './text.ts';

const STATE = 'SELECT s.epoch, s.state FROM accept_state s';

const NODES = `SELECT n.node, n.epoch, n.handed_in = 1 AS "handedIn", n.live_until > now_ms() AS live
  FROM accept_node n WHERE n.epoch = $1 ORDER BY n.node`;

const RESCUE = `INSERT INTO accept_rescue (epoch, cid, seq, rev, node, send)
  SELECT * FROM unnest($1::bigint[], ${textList(2)}, $3::bigint[], $4::bigint[], ${textList(5)}, ${textList(6)})
    AS r(epoch, cid, seq, rev, node, send) ORDER BY r.epoch, r.cid COLLATE "C", r.seq
  ON CONFLICT DO NOTHING`;

const RESCUED = `SELECT r.epoch, r.seq, r.rev, r.node, r.send FROM unnest(${textList(2)}) AS k(cid)
  CROSS JOIN LATERAL (SELECT c.cid, c.head FROM conversation c WHERE c.cid = k.cid LIMIT 1) c
  CROSS JOIN LATERAL (SELECT * FROM accept_rescue r WHERE r.epoch = $1 AND r.cid = c.cid AND r.seq > c.head ORDER BY r.seq) r
  ORDER BY r.cid, r.seq`;

const OPEN = `SELECT c.cid, c.head, c.rev, c.reserved FROM conversation c WHERE c.accept_epoch = $1 AND c.accept_epoch <> 0 AND c.cid > $2
  ORDER BY c.cid LIMIT $3`;

const FIRST = 'm.mid, m.seq, m.rev, m.at, m.sender AS "from", m.digest';

const FIRST_OUTCOMES = `SELECT m.* FROM unnest(${textList(2)}) WITH ORDINALITY AS k(mid, i)
  LEFT JOIN LATERAL (SELECT ${FIRST} FROM message m WHERE m.cid = $1 AND m.mid = k.mid LIMIT 1) m ON true ORDER BY k.i`;

const MIDS_AFTER = `SELECT ${FIRST} FROM message m WHERE m.cid = $1 AND m.mid > $2 AND m.kind <> 'lost' ORDER BY m.mid LIMIT $3`;

/** Statements of which a test looks at the plans. */
export const ACCEPT_BY_PARTITION = { FIRST_OUTCOMES, MIDS_AFTER };
export const ACCEPT_BY_INDEX = { RESCUED, OPEN };

export function createAccept(query: Query): AcceptStore {
  return {
    async acceptState() {
      const [row] = await query<AcceptState>(STATE);
      return row === undefined ? { epoch: 0, state: 'closed' } : { epoch: row.epoch, state: row.state };
    },

    async moveAcceptState(from, to) {
      const [row] = await query<{ moved: boolean }>('SELECT move_accept_state($1, $2, $3, $4) AS moved', [
        ...[from.epoch, from.state],
        ...[to.epoch, to.state],
      ]);
      return row!.moved;
    },

    async seenAccepting({ node, epoch, handedIn, leaseMs }) {
      const [row] = await query<{ seen: boolean }>('SELECT seen_accepting($1, $2, $3, $4) AS seen', [
        ...[stored(node), epoch],
        ...[handedIn ? 1 : 0, leaseMs],
      ]);
      return row!.seen;
    },

    acceptNodes: async (epoch) => [...(await query<{ node: string; epoch: number; handedIn: boolean; live: boolean }>(NODES, [epoch]))],

    async forgetAcceptNode(node, epoch) {
      await query('DELETE FROM accept_node n WHERE n.node = $1 AND n.epoch = $2', [stored(node), epoch]);
    },

    async rescue(accepted) {
      if (accepted.length === 0) return;
      await query(RESCUE, [
        numbers(accepted.map(({ epoch }) => epoch)),
        texts(accepted.map(({ send }) => send.cid)),
        numbers(accepted.map(({ seq }) => seq)),
        numbers(accepted.map(({ rev }) => rev)),
        texts(accepted.map(({ node }) => node)),
        texts(accepted.map(({ send }) => JSON.stringify(send))),
      ]);
    },

    async rescued(epoch, cids) {
      if (cids.length === 0) return [];
      const rows = await query<Omit<Accepted, 'send'> & { send: string }>(RESCUED, [epoch, texts([...new Set(cids)])]);
      return rows.map((row) => ({ ...row, send: JSON.parse(row.send) as SendCommand }));
    },

    async clearRescued(epoch) {
      await query('DELETE FROM accept_rescue r WHERE r.epoch = $1', [epoch]);
    },

    openConversations: async (epoch, { after, limit }) => [...(await query<OpenConversation>(OPEN, [epoch, stored(after), limit]))],

    async firstOutcomes(cid, mids) {
      if (mids.length === 0) return [];
      const rows = await query<FirstOutcome | { mid: null }>(FIRST_OUTCOMES, [stored(cid), texts(mids)]);
      return rows.map((row) => (row.mid === null ? undefined : row));
    },

    midsAfter: async (cid, after, limit) => [...(await query<FirstOutcome>(MIDS_AFTER, [stored(cid), stored(after), limit]))],
  };
}
