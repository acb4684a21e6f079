import type { SendCommand, Store } from '@gapless/core';
import { expect } from 'vitest';
import { add, all, create, group, one, place, range, read, remove, send, T0 } from './commands.ts';
import type { Cases } from './contract.ts';

const ensured = (cid: string, mid: string, from: string, rest: Partial<SendCommand> = {}) =>
  send(cid, mid, from, { ensureMembers: true, ...rest });
const position = (pos: number, advanced: boolean) => ({ ok: true, op: 'read', pos, advanced });

/** Where senders have read up to: not the matter of a send, unless it ensures the members. */
export const ownReadCases: Cases<Store> = {
  async 'a send moves no read position and asks for no member'(store) {
    await group(store, 2);
    await all(store, send('c1', 'm3', 'bob'), send('c1', 'm4', 'robot'));
    expect(await store.positions('c1')).toEqual([]);
    expect((await store.heads('bob', ['c1']))[0]).toMatchObject({ head: 4, lastRead: 0 });
  },

  async "with ensureMembers the sender's own read position moves to the message"(store) {
    await group(store);
    await all(store, ensured('c1', 'm1', 'ann'), ensured('c1', 'm2', 'ann'), ensured('c1', 'm3', 'bob'));
    expect((await store.heads('bob', ['c1']))[0]).toMatchObject({ head: 3, lastRead: 3 });
    expect((await store.heads('ann', ['c1']))[0]).toMatchObject({ head: 3, lastRead: 2 });
  },

  async 'with ensureMembers a batch of any size moves each sender to the newest message'(store) {
    await group(store);
    let sent = 0;
    for (const size of [1, 3, 40]) {
      await all(store, ...range(size, sent + 1).map((i) => ensured('c1', `m${i}`, i % 2 === 0 ? 'ann' : 'bob')));
      sent += size;
      const [ann, bob] = [sent - (sent % 2), sent - 1 + (sent % 2)];
      expect((await store.positions('c1')).map(({ lastRead }) => lastRead)).toEqual(sent === 1 ? [1] : [ann, bob]);
    }
  },

  async 'with ensureMembers a read in the same batch sees what the send did'(store) {
    await group(store);
    const outcomes = await store.commit([
      ensured('c1', 'm1', 'ann'),
      read('c1', 'ann', 1),
      read('c1', 'bob', 1),
      ensured('c1', 'm2', 'bob'),
      read('c1', 'bob', 1),
      read('c1', 'ann', 2),
    ]);
    const reads = outcomes.filter((outcome) => outcome.ok && outcome.op === 'read');
    expect(reads).toEqual([position(1, false), position(1, true), position(2, false), position(2, true)]);
  },

  async 'with ensureMembers a resent message moves nothing'(store) {
    await group(store, 3);
    expect(place(await one(store, ensured('c1', 'm1', 'ann')))).toEqual({ seq: 1, rev: 1, dup: true });
    expect(await store.positions('c1')).toEqual([]);
  },

  async 'with ensureMembers who is no participant sends nothing, and the others of the batch do'(store) {
    await group(store);
    const outcomes = await store.commit([
      ensured('c1', 'm1', 'ann'),
      ensured('c1', 'm2', 'stranger'),
      send('c1', 'm3', 'robot'),
      ensured('c1', 'm4', 'bob'),
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? place(outcome)?.seq : outcome.code))).toEqual([1, 'not_participant', 2, 3]);
    expect((await store.positions('c1')).map(({ uid, lastRead }) => [uid, lastRead])).toEqual([
      ['ann', 1],
      ['bob', 3],
    ]);
    expect(await one(store, ensured('c1', 'm5', 'stranger'))).toMatchObject({ ok: false, code: 'not_participant' });
    expect(await one(store, ensured('nowhere', 'm5', 'ann'))).toMatchObject({ ok: false, code: 'not_participant' });
  },

  async 'with ensureMembers sends and changes of one batch see each other'(store) {
    await group(store);
    const outcomes = await store.commit([
      ensured('c1', 'm1', 'robot'),
      add('c1', ['robot']),
      ensured('c1', 'm2', 'robot'),
      remove('c1', 'robot'),
      ensured('c1', 'm3', 'robot'),
      add('c1', ['robot']),
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.op : outcome.code))).toEqual([
      ...['not_participant', 'add', 'send'],
      ...['remove', 'not_participant', 'add'],
    ]);
    expect(await store.positions('c1')).toEqual([]);
  },

  async 'healing moves own read positions to the newest message among the newest log rows, forward only'(store) {
    await all(store, create('c1', ['ann', 'bob', 'cid']), create('c2', ['ann', 'bob']));
    await all(store, send('c1', 'old', 'cid'), send('c1', 'a1', 'ann', { at: T0 + 1 }), send('c2', 'b1', 'bob'), send('c1', 'a2', 'ann'));
    await all(store, send('c1', 'r1', 'robot'), send('c1', 'b2', 'bob'), read('c1', 'bob', 5));
    expect(await store.healOwnReads({ rows: 5 })).toBe(2);
    const positions = async (cid: string) => (await store.positions(cid)).map(({ uid, lastRead }) => `${uid} ${lastRead}`);
    expect([await positions('c1'), await positions('c2')]).toEqual([['ann 3', 'bob 5'], ['bob 1']]);
    expect(await store.healOwnReads({ rows: 5 })).toBe(0);
    expect(await store.healOwnReads({ rows: 1_000 })).toBe(1);
    expect(await positions('c1')).toEqual(['ann 3', 'bob 5', 'cid 1']);
  },
};
