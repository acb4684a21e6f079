import type { Store } from '@gapless/core';
import { expect } from 'vitest';
import { add, all, delivered, group, one, read, remove, send } from './commands.ts';
import type { Cases } from './contract.ts';

const position = (op: 'read' | 'delivered', pos: number, advanced: boolean) => ({ ok: true, op, pos, advanced });

export const positionCases: Cases<Store> = {
  async 'a read position moves forward, never back, never beyond head'(store) {
    await group(store, 5);
    const outcomes = await store.commit([2, 2, 1, 0, 4, 1_000, 5].map((pos) => read('c1', 'bob', pos)));
    expect(outcomes).toEqual([
      position('read', 2, true),
      position('read', 2, false),
      position('read', 2, false),
      position('read', 2, false),
      position('read', 4, true),
      position('read', 5, true),
      position('read', 5, false),
    ]);
    expect((await store.heads('bob', ['c1']))[0]).toMatchObject({ lastRead: 5 });
  },

  async 'a clamped position does not move when head does'(store) {
    await group(store, 1);
    await all(store, read('c1', 'bob', 99), delivered('c1', 'bob', 'phone', 99), send('c1', 'm2', 'ann'));
    expect(await store.positions('c1')).toEqual([{ uid: 'bob', lastRead: 1, delivered: 1 }]);
  },

  async 'delivered is the maximum over the devices'(store) {
    await group(store, 5);
    const steps = [['phone', 2] as const, ['laptop', 1] as const, ['laptop', 4] as const, ['phone', 3] as const, ['phone', 9] as const];
    const outcomes = await store.commit(steps.map(([did, pos]) => delivered('c1', 'bob', did, pos)));
    expect(outcomes).toEqual([
      position('delivered', 2, true),
      position('delivered', 2, false),
      position('delivered', 4, true),
      position('delivered', 4, false),
      position('delivered', 5, true),
    ]);
    expect(await store.positions('c1')).toEqual([{ uid: 'bob', lastRead: 0, delivered: 5 }]);
  },

  async 'reading and receiving are counted apart'(store) {
    await group(store, 3);
    await all(store, read('c1', 'bob', 3), delivered('c1', 'cid', 'phone', 2));
    expect(await store.positions('c1')).toEqual([
      { uid: 'bob', lastRead: 3, delivered: 0 },
      { uid: 'cid', lastRead: 0, delivered: 2 },
    ]);
  },

  async 'positions of nobody are empty'(store) {
    await group(store);
    expect(await store.positions('c1')).toEqual([]);
    expect(await store.positions('nowhere')).toEqual([]);
  },

  async 'positions take no rev and write no log row'(store) {
    await group(store, 2);
    await all(store, read('c1', 'bob', 2), delivered('c1', 'bob', 'phone', 2));
    expect(await store.conversation('c1')).toMatchObject({ head: 2, rev: 2 });
    expect(await store.changes('c1', { after: 0, limit: 10 })).toHaveLength(2);
  },

  async 'who is no participant has no position'(store) {
    await group(store, 1);
    const outcomes = await store.commit([
      read('c1', 'stranger', 1),
      delivered('c1', 'stranger', 'phone', 1),
      read('nowhere', 'ann', 1),
      delivered('nowhere', 'ann', 'phone', 1),
    ]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ ok: false, code: 'not_participant' });
    expect(await store.positions('c1')).toEqual([]);
  },

  async 'a device is known from its first position on, also beside a command that is refused'(store) {
    await group(store, 3);
    const outcomes = await store.commit([
      delivered('c1', 'stranger', 'phone', 1),
      delivered('c1', 'bob', 'phone', 0),
      delivered('c1', 'bob', 'phone', 2),
      delivered('c1', 'bob', 'laptop', 1),
    ]);
    expect(outcomes[0]).toMatchObject({ ok: false, code: 'not_participant' });
    expect(outcomes.slice(1)).toEqual([position('delivered', 0, false), position('delivered', 2, true), position('delivered', 2, false)]);
  },

  async 'who was removed and comes back starts anew, also in one batch with a send'(store) {
    await group(store, 1);
    await all(store, delivered('c1', 'bob', 'phone', 1), send('c1', 'a', 'bob'), remove('c1', 'bob'), add('c1', ['bob']));
    expect(await store.positions('c1')).toEqual([]);
    expect(await one(store, delivered('c1', 'bob', 'phone', 1))).toEqual(position('delivered', 1, true));
  },
};
