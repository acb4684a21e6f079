import type { Store } from '@gapless/core';
import { expect } from 'vitest';
import { T0 } from './commands.ts';
import type { Cases } from './contract.ts';

const LIFE = 1_000;

/** A session s1 of ann whose refresh token hashes to `t0`. */
async function signIn(store: Store, sid = 's1', refreshHash = 't0'): Promise<void> {
  await store.createSession({ sid, uid: 'ann', createdAt: T0, expiresAt: T0 + LIFE, refreshHash });
}

const rotate = (store: Store, refreshHash: string, nextHash: string, at = T0 + 1) =>
  store.rotateSession({ refreshHash, nextHash, at, expiresAt: at + LIFE });

export const sessionCases: Cases<Store> = {
  async 'a refresh token is replaced by the next, and the session lives on'(store) {
    await signIn(store);
    for (let i = 0; i < 5; i++) {
      const at = T0 + i * 900;
      expect(await rotate(store, `t${i}`, `t${i + 1}`, at)).toEqual({
        result: 'ok',
        session: { sid: 's1', uid: 'ann', createdAt: T0, expiresAt: at + LIFE },
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
};
