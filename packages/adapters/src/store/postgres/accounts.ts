import type { AccountStore } from '@gapless/core';
import { type SessionRow, toSession, toUser, type UserRow } from '../rows.ts';
import type { Query } from './query.ts';
import { stored, textList, texts } from './text.ts';

/** Sessions of a user that are live at a time. Continue with more of WHERE. */
const LIVE = 'FROM session WHERE uid = $1 AND revoked_at IS NULL AND expires_at > $2';

export const LIVE_SESSIONS = `SELECT * ${LIVE} ORDER BY last_seen_at DESC, sid DESC LIMIT $3`;

type Reads = 'users' | 'credentials' | 'sessionsOf' | 'revokedSessions';

export function createAccountReads(query: Query): Pick<AccountStore, Reads> {
  return {
    async users(uids) {
      if (uids.length === 0) return [];
      const text = `SELECT u.uid, u.name, u.created_at FROM unnest(${textList(1)}) WITH ORDINALITY AS k(uid, i)
        JOIN users u ON u.uid = k.uid ORDER BY k.i`;
      return (await query<UserRow>(text, [texts(uids)])).map(toUser);
    },

    async credentials(uid) {
      const text = `SELECT uid, password AS "passwordHash" FROM users WHERE lower(uid) = lower($1 COLLATE "C") AND password IS NOT NULL`;
      const [row] = await query<{ uid: string; passwordHash: string }>(text, [stored(uid)]);
      return row && { ...row };
    },

    sessionsOf: async (uid, { at, limit }) => (await query<SessionRow>(LIVE_SESSIONS, [stored(uid), at, limit])).map(toSession),

    revokedSessions: async (since) => sids(await query<{ sid: string }>('SELECT sid FROM session WHERE revoked_at >= $1', [since])),
  };
}

/** Each is one statement and so a transaction of its own: they are rare. */
export function createAccountWrites(query: Query): Omit<AccountStore, Reads> {
  return {
    async ensureUser({ uid, displayName = uid, at }) {
      const make = `INSERT INTO users (uid, name, created_at) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING RETURNING uid, name, created_at`;
      const find = 'SELECT uid, name, created_at FROM users WHERE uid = $1';
      const values = [stored(uid)];
      const [row] = await query<UserRow>(find, values);
      if (row !== undefined) return toUser(row);
      const [made] = await query<UserRow>(make, [...values, stored(displayName), at]);
      // Neither: another node made it between the two.
      const [found] = made === undefined ? await query<UserRow>(find, values) : [made];
      return toUser(found!);
    },

    async createAccount({ uid, displayName, passwordHash, at }) {
      const values = [stored(uid), stored(displayName), stored(passwordHash), at];
      const [row] = await query<{ made: boolean }>('SELECT create_account($1, $2, $3, $4) AS made', values);
      return row!.made;
    },

    async createSession({ sid, uid, label, createdAt, lastSeenAt, expiresAt, refreshHash, liveMax }) {
      const values = [stored(sid), stored(uid), stored(label), createdAt, lastSeenAt, expiresAt, stored(refreshHash), liveMax];
      return sids(await query<{ sid: string }>('SELECT create_session($1, $2, $3, $4, $5, $6, $7, $8) AS sid', values));
    },

    async rotateSession({ refreshHash, nextHash, at, expiresAt }) {
      const values = [stored(refreshHash), stored(nextHash), at, expiresAt];
      const [row] = await query<SessionRow & { result: 'ok' | 'reused' }>('SELECT * FROM rotate_session($1, $2, $3, $4)', values);
      return row === undefined ? { result: 'unknown' } : { result: row.result, session: toSession(row) };
    },

    async revokeSession(sid, at, uid) {
      const text = 'UPDATE session SET revoked_at = $2 WHERE sid = $1 AND revoked_at IS NULL AND uid = coalesce($3, uid) RETURNING sid';
      return (await query(text, [stored(sid), at, uid === undefined ? null : stored(uid)])).length > 0;
    },

    async revokeSessionsOf(uid, { at, except }) {
      const text = `UPDATE session SET revoked_at = $2 WHERE sid IN (SELECT sid ${LIVE} AND sid <> $3 ORDER BY sid FOR UPDATE)
        AND revoked_at IS NULL RETURNING sid`;
      return sids(await query<{ sid: string }>(text, [stored(uid), at, stored(except ?? '')]));
    },

    async pruneSessions(before, limit) {
      const [row] = await query<{ rows: number }>('SELECT prune_sessions($1, $2) AS rows', [before, limit]);
      return row!.rows;
    },
  };
}

function sids(rows: readonly { sid: string }[]): string[] {
  return rows.map(({ sid }) => sid);
}
