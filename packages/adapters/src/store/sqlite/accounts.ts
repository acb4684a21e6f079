import type { DatabaseSync } from 'node:sqlite';
import type { AccountStore } from '@gapless/core';
import { type SessionRow, toSession, toUser } from '../rows.ts';
import { LAST_SEEN_FIRST, LIVE_SESSIONS } from './reads.ts';

/** What `check` writes: more than a message with its rows takes, so that no message is refused where a check went through. */
const CHECKED_BYTES = 64 * 1024;

export const REPLACED_TOKENS = 'SELECT hash FROM refresh_token WHERE used_at < ? LIMIT ?';
/** By the expression that the index session_end is of. */
export const ENDED_SESSIONS = 'SELECT sid FROM session WHERE min(expires_at, ifnull(revoked_at, expires_at)) < ? LIMIT ?';

type Arguments<K extends keyof AccountStore> = Parameters<AccountStore[K]>;

/** Writes of users and sign-ins, each a transaction of its own: they are rare. */
export function createAccountWrites(db: DatabaseSync) {
  const get = <Row>(text: string, ...values: (string | number)[]) => db.prepare(text).get(...values) as unknown as Row | undefined;
  const run = (text: string, ...values: (string | number | null)[]) => Number(db.prepare(text).run(...values).changes);

  const sids = (text: string, ...values: (string | number)[]) =>
    (db.prepare(text).all(...values) as unknown as { sid: string }[]).map(({ sid }) => sid);

  function revoke(ended: readonly string[], at: number): string[] {
    for (const sid of ended) run('UPDATE session SET revoked_at = ? WHERE sid = ?', at, sid);
    return [...ended];
  }

  return {
    ensureUser(user: Arguments<'ensureUser'>[0]) {
      run(
        'INSERT INTO user (uid, name, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        user.uid,
        user.displayName ?? user.uid,
        user.at,
      );
      return toUser(get<Parameters<typeof toUser>[0]>('SELECT uid, name, created_at FROM user WHERE uid = ?', user.uid)!);
    },

    createAccount({ uid, displayName, passwordHash, at }: Arguments<'createAccount'>[0]): boolean {
      const insert = `INSERT INTO user (uid, name, created_at, password)
        SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM user WHERE lower(uid) = lower(?))`;
      return run(insert, uid, displayName, at, passwordHash, uid) > 0;
    },

    createSession(session: Arguments<'createSession'>[0]): string[] {
      const { sid, uid, label, createdAt, lastSeenAt, expiresAt, refreshHash, liveMax } = session;
      const insert = 'INSERT INTO session (sid, uid, label, created_at, last_seen_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)';
      run(insert, sid, uid, label, createdAt, lastSeenAt, expiresAt);
      run('INSERT INTO refresh_token (hash, sid) VALUES (?, ?)', refreshHash, sid);
      const surplus = `SELECT sid ${LIVE_SESSIONS} AND sid <> ? ${LAST_SEEN_FIRST} LIMIT -1 OFFSET ?`;
      return revoke(sids(surplus, uid, createdAt, sid, liveMax - 1), createdAt);
    },

    rotateSession({
      refreshHash,
      nextHash,
      at,
      expiresAt,
    }: Arguments<'rotateSession'>[0]): Awaited<ReturnType<AccountStore['rotateSession']>> {
      const row = get<SessionRow & { revoked_at: number | null; used_at: number | null }>(
        'SELECT s.*, t.used_at FROM refresh_token t JOIN session s ON s.sid = t.sid WHERE t.hash = ?',
        refreshHash,
      );
      if (row === undefined || row.revoked_at !== null || row.expires_at <= at) return { result: 'unknown' };
      if (row.used_at !== null) {
        revoke([row.sid], at);
        return { result: 'reused', session: toSession(row) };
      }
      run('UPDATE refresh_token SET used_at = ? WHERE hash = ?', at, refreshHash);
      run('INSERT INTO refresh_token (hash, sid) VALUES (?, ?)', nextHash, row.sid);
      run('UPDATE session SET expires_at = ?, last_seen_at = ? WHERE sid = ?', expiresAt, at, row.sid);
      return { result: 'ok', session: { ...toSession(row), lastSeenAt: at, expiresAt } };
    },

    revokeSession: (sid: string, at: number, uid: string | null = null): boolean =>
      run('UPDATE session SET revoked_at = ? WHERE sid = ? AND revoked_at IS NULL AND uid = ifnull(?, uid)', at, sid, uid) > 0,

    revokeSessionsOf: (uid: string, { at, except = '' }: Arguments<'revokeSessionsOf'>[1]): string[] =>
      revoke(sids(`SELECT sid ${LIVE_SESSIONS} AND sid <> ?`, uid, at, except), at),

    pruneSessions(before: number, limit: number): number {
      const tokens = run(`DELETE FROM refresh_token WHERE hash IN (${REPLACED_TOKENS})`, before, limit);
      // The tokens that an ended session replaced are gone by now: one each is left.
      const ended = sids(ENDED_SESSIONS, before, limit - tokens);
      for (const sid of ended) {
        run('DELETE FROM refresh_token WHERE sid = ?', sid);
        run('DELETE FROM session WHERE sid = ?', sid);
      }
      return tokens + ended.length;
    },

    check(at: number): void {
      run('INSERT OR REPLACE INTO health (id, at, room) VALUES (1, ?, zeroblob(?))', at, CHECKED_BYTES);
    },
  };
}

export type AccountWrites = ReturnType<typeof createAccountWrites>;
