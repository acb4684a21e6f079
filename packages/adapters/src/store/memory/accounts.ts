import type { AccountStore } from '@gapless/core';
import type { MemoryState } from './state.ts';

export function createMemoryAccounts(state: MemoryState): AccountStore {
  const folded = (uid: string) => [...state.users.values()].find((user) => user.uid.toLowerCase() === uid.toLowerCase());

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

    async createSession({ refreshHash, ...session }) {
      state.sessions.set(session.sid, { ...session });
      state.tokens.set(refreshHash, { sid: session.sid, used: false });
    },

    async rotateSession({ refreshHash, nextHash, at, expiresAt }) {
      const token = state.tokens.get(refreshHash);
      const session = token === undefined ? undefined : state.sessions.get(token.sid);
      if (token === undefined || session === undefined || session.revokedAt !== undefined || session.expiresAt <= at)
        return { result: 'unknown' };
      const { sid, uid, createdAt } = session;
      if (token.used) {
        session.revokedAt = at;
        return { result: 'reused', session: { sid, uid, createdAt, expiresAt } };
      }
      token.used = true;
      state.tokens.set(nextHash, { sid, used: false });
      session.expiresAt = expiresAt;
      return { result: 'ok', session: { sid, uid, createdAt, expiresAt } };
    },

    async revokeSession(sid, at) {
      const session = state.sessions.get(sid);
      if (session === undefined || session.revokedAt !== undefined) return false;
      session.revokedAt = at;
      return true;
    },

    revokedSessions: async (since) =>
      [...state.sessions.values()].filter(({ revokedAt }) => revokedAt !== undefined && revokedAt >= since).map(({ sid }) => sid),
  };
}
