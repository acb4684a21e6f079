import type { AccountStore, SessionRecord } from '@gapless/core';
import type { MemorySession, MemoryState } from './state.ts';

export function createMemoryAccounts(state: MemoryState): AccountStore {
  const folded = (uid: string) => [...state.users.values()].find((user) => user.uid.toLowerCase() === uid.toLowerCase());

  /** Last seen first. */
  const live = (uid: string, at: number) =>
    [...state.sessions.values()]
      .filter((session) => session.uid === uid && session.revokedAt === undefined && session.expiresAt > at)
      .sort((a, b) => b.lastSeenAt - a.lastSeenAt || (a.sid < b.sid ? 1 : -1));

  function revoke(sessions: readonly MemorySession[], at: number): string[] {
    for (const session of sessions) session.revokedAt = at;
    return sessions.map(({ sid }) => sid);
  }

  return {
    async ensureUser({ uid, displayName = uid, at }) {
      if (!state.users.has(uid)) state.users.set(uid, { uid, displayName, createdAt: at });
      const user = state.users.get(uid)!;
      return { uid, displayName: user.displayName, createdAt: user.createdAt };
    },

    users: async (uids) =>
      uids
        .map((uid) => state.users.get(uid))
        .filter((user) => user !== undefined)
        .map(({ uid, displayName, createdAt }) => ({ uid, displayName, createdAt })),

    async createAccount({ uid, displayName, passwordHash, at }) {
      if (folded(uid) !== undefined) return false;
      state.users.set(uid, { uid, displayName, createdAt: at, passwordHash });
      return true;
    },

    async credentials(uid) {
      const user = folded(uid);
      return user?.passwordHash === undefined ? undefined : { uid: user.uid, passwordHash: user.passwordHash };
    },

    async createSession({ refreshHash, liveMax, ...session }) {
      state.sessions.set(session.sid, { ...session });
      state.tokens.set(refreshHash, { sid: session.sid });
      const others = live(session.uid, session.createdAt).filter(({ sid }) => sid !== session.sid);
      return revoke(others.slice(liveMax - 1), session.createdAt);
    },

    sessionsOf: async (uid, { at, limit }) => live(uid, at).slice(0, limit).map(toRecord),

    async rotateSession({ refreshHash, nextHash, at, expiresAt }) {
      const token = state.tokens.get(refreshHash);
      const session = token === undefined ? undefined : state.sessions.get(token.sid);
      if (token === undefined || session === undefined || session.revokedAt !== undefined || session.expiresAt <= at)
        return { result: 'unknown' };
      if (token.usedAt !== undefined) {
        session.revokedAt = at;
        return { result: 'reused', session: toRecord(session) };
      }
      token.usedAt = at;
      state.tokens.set(nextHash, { sid: session.sid });
      session.expiresAt = expiresAt;
      session.lastSeenAt = at;
      return { result: 'ok', session: toRecord(session) };
    },

    async revokeSession(sid, at, uid) {
      const session = state.sessions.get(sid);
      if (session === undefined || session.revokedAt !== undefined || (uid !== undefined && session.uid !== uid)) return false;
      session.revokedAt = at;
      return true;
    },

    revokeSessionsOf: async (uid, { at, except }) =>
      revoke(
        live(uid, at).filter(({ sid }) => sid !== except),
        at,
      ),

    revokedSessions: async (since) =>
      [...state.sessions.values()].filter(({ revokedAt }) => revokedAt !== undefined && revokedAt >= since).map(({ sid }) => sid),

    async pruneSessions(before, limit) {
      const tokens = [...state.tokens].filter(([, { usedAt }]) => usedAt !== undefined && usedAt < before).slice(0, limit);
      for (const [hash] of tokens) state.tokens.delete(hash);
      const ended = [...state.sessions.values()].filter((session) => endOf(session) < before).slice(0, limit - tokens.length);
      const gone = new Set(ended.map(({ sid }) => sid));
      for (const sid of gone) state.sessions.delete(sid);
      for (const [hash, { sid }] of state.tokens) if (gone.has(sid)) state.tokens.delete(hash);
      return tokens.length + ended.length;
    },
  };
}

function toRecord({ sid, uid, label, createdAt, lastSeenAt, expiresAt }: MemorySession): SessionRecord {
  return { sid, uid, label, createdAt, lastSeenAt, expiresAt };
}

const endOf = ({ expiresAt, revokedAt = expiresAt }: MemorySession) => Math.min(expiresAt, revokedAt);
