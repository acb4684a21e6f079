import type { DatabaseSync } from 'node:sqlite';
import type { AccountStore, SessionRecord } from '@gapless/core';
import { toUser } from './reads.ts';

/** What `check` writes: more than a message with its rows takes, so that no message is refused where a check went through. */
const CHECKED_BYTES = 64 * 1024;

type Arguments<K extends keyof AccountStore> = Parameters<AccountStore[K]>;

/** Writes of users and sign-ins, each a transaction of its own: they are rare. */
export function createAccountWrites(db: DatabaseSync) {
  const get = <Row>(text: string, ...values: (string | number)[]) => db.prepare(text).get(...values) as unknown as Row | undefined;
  const run = (text: string, ...values: (string | number | null)[]) => Number(db.prepare(text).run(...values).changes);

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

    createSession({ sid, uid, createdAt, expiresAt, refreshHash }: Arguments<'createSession'>[0]): void {
      run('INSERT INTO session (sid, uid, created_at, expires_at) VALUES (?, ?, ?, ?)', sid, uid, createdAt, expiresAt);
      run('INSERT INTO refresh_token (hash, sid) VALUES (?, ?)', refreshHash, sid);
    },

    rotateSession({
      refreshHash,
      nextHash,
      at,
      expiresAt,
    }: Arguments<'rotateSession'>[0]): Awaited<ReturnType<AccountStore['rotateSession']>> {
      const row = get<{
        sid: string;
        uid: string;
        created_at: number;
        expires_at: number;
        revoked_at: number | null;
        used_at: number | null;
      }>(
        `SELECT s.sid, s.uid, s.created_at, s.expires_at, s.revoked_at, t.used_at FROM refresh_token t JOIN session s ON s.sid = t.sid WHERE t.hash = ?`,
        refreshHash,
      );
      if (row === undefined || row.revoked_at !== null || row.expires_at <= at) return { result: 'unknown' };
      const session: SessionRecord = { sid: row.sid, uid: row.uid, createdAt: row.created_at, expiresAt };
      if (row.used_at !== null) {
        run('UPDATE session SET revoked_at = ? WHERE sid = ?', at, row.sid);
        return { result: 'reused', session };
      }
      run('UPDATE refresh_token SET used_at = ? WHERE hash = ?', at, refreshHash);
      run('INSERT INTO refresh_token (hash, sid) VALUES (?, ?)', nextHash, row.sid);
      run('UPDATE session SET expires_at = ? WHERE sid = ?', expiresAt, row.sid);
      return { result: 'ok', session };
    },

    revokeSession: (sid: string, at: number): boolean =>
      run('UPDATE session SET revoked_at = ? WHERE sid = ? AND revoked_at IS NULL', at, sid) > 0,

    check(at: number): void {
      run('INSERT OR REPLACE INTO health (id, at, room) VALUES (1, ?, zeroblob(?))', at, CHECKED_BYTES);
    },
  };
}

export type AccountWrites = ReturnType<typeof createAccountWrites>;
