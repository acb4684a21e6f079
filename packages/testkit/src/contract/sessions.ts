import type { Store } from '@gapless/core';
import { expect } from 'vitest';
import { T0 } from './commands.ts';
import type { Cases } from './contract.ts';

const LIFE = 1_000;

/** A session s1 of ann whose refresh token hashes to `t0`. */
async function signIn(store: Store, sid = 's1', refreshHash = 't0', at = T0, liveMax = 100): Promise<string[]> {
  return store.createSession({ ...session(sid, at), refreshHash, liveMax });
}

const session = (sid: string, at = T0) => ({
  sid,
  uid: 'ann',
  label: `${sid} by name`,
  createdAt: at,
  lastSeenAt: at,
  expiresAt: at + LIFE,
});

const live = async (store: Store, uid = 'ann', at = T0 + 1) => (await store.sessionsOf(uid, { at, limit: 100 })).map(({ sid }) => sid);

const rotate = (store: Store, refreshHash: string, nextHash: string, at = T0 + 1) =>
  store.rotateSession({ refreshHash, nextHash, at, expiresAt: at + LIFE });

export const sessionCases: Cases<Store> = {
  async 'a refresh token is replaced by the next, and the session lives on'(store) {
    await signIn(store);
    for (let i = 0; i < 5; i++) {
      const at = T0 + i * 900;
      expect(await rotate(store, `t${i}`, `t${i + 1}`, at)).toEqual({
        result: 'ok',
        session: { ...session('s1'), lastSeenAt: at, expiresAt: at + LIFE },
      });
    }
    expect(await store.revokedSessions(0)).toEqual([]);
  },

  async 'a token that was replaced revokes the session when it comes back'(store) {
    await signIn(store);
    await rotate(store, 't0', 't1');
    expect(await rotate(store, 't0', 't2', T0 + 5)).toMatchObject({ result: 'reused', session: { sid: 's1', uid: 'ann' } });
    expect(await store.revokedSessions(0)).toEqual(['s1']);
    for (const hash of ['t0', 't1', 't2']) expect(await rotate(store, hash, 't9')).toEqual({ result: 'unknown' });
    expect(await store.revokeSession('s1', T0 + 6)).toBe(false);
  },

  async 'an old token of a long row revokes too'(store) {
    await signIn(store);
    for (let i = 0; i < 10; i++) await rotate(store, `t${i}`, `t${i + 1}`);
    expect(await rotate(store, 't3', 'x')).toMatchObject({ result: 'reused' });
    expect(await rotate(store, 't10', 'y')).toEqual({ result: 'unknown' });
  },

  async 'a token that nobody issued is unknown and changes nothing'(store) {
    await signIn(store);
    expect(await rotate(store, 'guess', 't1')).toEqual({ result: 'unknown' });
    expect(await rotate(store, 't1', 't2')).toEqual({ result: 'unknown' });
    expect(await rotate(store, 't0', 't1')).toMatchObject({ result: 'ok' });
  },

  async 'an expired session is unknown, from that very millisecond on'(store) {
    await signIn(store);
    expect(await rotate(store, 't0', 't1', T0 + LIFE)).toEqual({ result: 'unknown' });
    expect(await rotate(store, 't0', 't1', T0 + LIFE + 1)).toEqual({ result: 'unknown' });
    expect(await rotate(store, 't0', 't1', T0 + LIFE - 1)).toMatchObject({ result: 'ok' });
  },

  async 'a revoked session is unknown'(store) {
    await signIn(store);
    expect(await store.revokeSession('s1', T0 + 1)).toBe(true);
    expect(await rotate(store, 't0', 't1')).toEqual({ result: 'unknown' });
  },

  async 'revoking says whether the session was live'(store) {
    await signIn(store);
    expect(await store.revokeSession('nobody', T0)).toBe(false);
    expect(await store.revokeSession('s1', T0 + 1)).toBe(true);
    expect(await store.revokeSession('s1', T0 + 2)).toBe(false);
    expect(await store.revokedSessions(T0 + 2)).toEqual([]);
  },

  async 'sessions are apart from each other'(store) {
    await signIn(store, 's1', 'a0');
    await signIn(store, 's2', 'b0');
    await rotate(store, 'a0', 'a1');
    await rotate(store, 'a0', 'a2');
    expect(await rotate(store, 'b0', 'b1')).toMatchObject({ result: 'ok', session: { sid: 's2' } });
    expect(await store.revokedSessions(0)).toEqual(['s1']);
  },

  async 'revoked sessions are those at or after the moment'(store) {
    for (const i of [0, 1, 2, 3]) await signIn(store, `s${i}`, `t${i}`);
    for (const i of [0, 1, 2]) await store.revokeSession(`s${i}`, T0 + i);
    expect((await store.revokedSessions(T0)).toSorted()).toEqual(['s0', 's1', 's2']);
    expect((await store.revokedSessions(T0 + 1)).toSorted()).toEqual(['s1', 's2']);
    expect(await store.revokedSessions(T0 + 3)).toEqual([]);
  },

  async 'one of many rotations of one token at once wins'(store) {
    await signIn(store);
    const results = await Promise.all(Array.from({ length: 10 }, (_, i) => rotate(store, 't0', `next${i}`)));
    expect(results.map(({ result }) => result).toSorted()).toEqual(['ok', 'reused', ...Array(8).fill('unknown')]);
    expect(await store.revokedSessions(0)).toEqual(['s1']);
  },

  async 'the sessions of a user are the live ones, last seen first, as many as asked for'(store) {
    for (const i of [0, 1, 2, 3]) await signIn(store, `s${i}`, `t${i}`, T0 + i);
    await store.createSession({ ...session('b1'), uid: 'bob', refreshHash: 'b', liveMax: 100 });
    await rotate(store, 't1', 't9', T0 + 10);
    await store.revokeSession('s2', T0 + 11);
    const sessions = await store.sessionsOf('ann', { at: T0 + 12, limit: 100 });
    expect(sessions).toEqual([
      { ...session('s1', T0 + 1), lastSeenAt: T0 + 10, expiresAt: T0 + 10 + LIFE },
      session('s3', T0 + 3),
      session('s0'),
    ]);
    expect(await store.sessionsOf('ann', { at: T0 + 12, limit: 2 })).toEqual(sessions.slice(0, 2));
    expect(await live(store, 'ann', T0 + LIFE - 1)).toEqual(['s1', 's3', 's0']);
    expect(await live(store, 'ann', T0 + LIFE)).toEqual(['s1', 's3']);
    expect(await live(store, 'bob')).toEqual(['b1']);
    expect(await live(store, 'Ann')).toEqual([]);
  },

  async 'one session too many ends the one not seen for longest, never the new one'(store) {
    for (const i of [0, 1, 2]) expect(await signIn(store, `s${i}`, `t${i}`, T0 + i, 3)).toEqual([]);
    await store.createSession({ ...session('b1'), uid: 'bob', refreshHash: 'b', liveMax: 3 });
    await rotate(store, 't0', 't9', T0 + 10);
    expect(await signIn(store, 's3', 't3', T0 + 11, 3)).toEqual(['s1']);
    expect(await store.revokedSessions(0)).toEqual(['s1']);
    expect(await rotate(store, 't1', 'x', T0 + 12)).toEqual({ result: 'unknown' });
    // By a clock that was set back, and a bound that was lowered.
    expect((await signIn(store, 's4', 't4', T0, 1)).toSorted()).toEqual(['s0', 's2', 's3']);
    expect(await live(store)).toEqual(['s4']);
    expect(await live(store, 'bob')).toEqual(['b1']);
  },

  async 'sessions that ended do not count against the bound'(store) {
    await signIn(store, 's0', 't0', T0, 2);
    await signIn(store, 's1', 't1', T0 + 1, 2);
    await store.revokeSession('s1', T0 + 2);
    expect(await signIn(store, 's2', 't2', T0 + LIFE, 2)).toEqual([]);
    expect(await signIn(store, 's3', 't3', T0 + LIFE, 2)).toEqual([]);
  },

  async 'a session is revoked only for the user it is of'(store) {
    await signIn(store);
    expect(await store.revokeSession('s1', T0 + 1, 'bob')).toBe(false);
    expect(await store.revokeSession('nobody', T0 + 1, 'ann')).toBe(false);
    expect(await live(store)).toEqual(['s1']);
    expect(await store.revokeSession('s1', T0 + 1, 'ann')).toBe(true);
    expect(await store.revokeSession('s1', T0 + 1, 'ann')).toBe(false);
  },

  async 'all sessions of a user but one are revoked at once'(store) {
    for (const i of [0, 1, 2, 3]) await signIn(store, `s${i}`, `t${i}`);
    await store.createSession({ ...session('b1'), uid: 'bob', refreshHash: 'b', liveMax: 100 });
    await store.revokeSession('s3', T0);
    expect((await store.revokeSessionsOf('ann', { at: T0 + 1, except: 's1' })).toSorted()).toEqual(['s0', 's2']);
    expect(await live(store)).toEqual(['s1']);
    expect((await store.revokedSessions(T0 + 1)).toSorted()).toEqual(['s0', 's2']);
    expect(await store.revokeSessionsOf('ann', { at: T0 + 2 })).toEqual(['s1']);
    expect(await store.revokeSessionsOf('ann', { at: T0 + 2, except: 'b1' })).toEqual([]);
    expect(await live(store, 'bob')).toEqual(['b1']);
  },

  async 'pruning takes what ended before the moment, and nothing that lives'(store) {
    for (const sid of ['old', 'later', 'revoked', 'lives']) await signIn(store, sid, `${sid}0`);
    await rotate(store, 'later0', 'later1', T0 + 1);
    await rotate(store, 'lives0', 'lives1', T0 + 500);
    await store.revokeSession('revoked', T0 + 5);
    expect(await store.pruneSessions(T0 + 5, 100)).toBe(1);
    expect(await rotate(store, 'later0', 'x', T0 + 6)).toEqual({ result: 'unknown' });
    expect(await store.revokedSessions(0)).toEqual(['revoked']);
    expect(await store.pruneSessions(T0 + 6, 100)).toBe(1);
    expect(await store.revokedSessions(0)).toEqual([]);
    expect(await store.pruneSessions(T0 + LIFE, 100)).toBe(1);
    expect(await store.pruneSessions(T0 + LIFE + 1, 100)).toBe(1);
    expect(await store.pruneSessions(T0 + LIFE + 1, 100)).toBe(0);
    expect(await live(store)).toEqual(['lives', 'later']);
    expect(await rotate(store, 'later1', 'later2', T0 + LIFE)).toMatchObject({ result: 'ok', session: { label: 'later by name' } });
    // One that was replaced after the moment still tells on who uses it again.
    expect(await rotate(store, 'later1', 'x', T0 + LIFE)).toMatchObject({ result: 'reused' });
  },

  async 'pruning goes in steps, and says when nothing is left'(store) {
    for (let i = 0; i < 7; i++) {
      await signIn(store, `s${i}`, `t${i}`);
      for (const [from, to] of [
        ['t', 'u'],
        ['u', 'v'],
      ])
        await rotate(store, `${from}${i}`, `${to}${i}`);
    }
    const deleted: number[] = [];
    do deleted.push(await store.pruneSessions(T0 + 2 * LIFE, 4));
    while (deleted.at(-1) !== 0);
    expect(deleted).toEqual([4, 4, 4, 4, 4, 1, 0]);
    for (let i = 0; i < 7; i++) expect(await rotate(store, `v${i}`, 'x')).toEqual({ result: 'unknown' });
    await signIn(store, 's0', 'v0');
    expect(await rotate(store, 'v0', 'v1')).toMatchObject({ result: 'ok' });
  },
};
