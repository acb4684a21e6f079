import type { Store } from '@gapless/core';
import { expect } from 'vitest';
import { all, beginEpoch, close, group, one, open, place, save, send, settle } from './commands.ts';
import type { Cases } from './contract.ts';

const OVER = { ok: false, code: 'over' };
const by = (opening: number, window = 100) => ({ opening, window });

/** Openings of one conversation that come late, or twice. */
export const acceptOpeningCases: Cases<Store> = {
  async 'a newer opening takes the place of an older one, which is over then'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    expect(await one(store, open('c1', 1, by(5)))).toMatchObject({ ok: true, before: 0 });
    expect(await one(store, open('c1', 1, by(5)))).toMatchObject({ ok: true, before: 5 });
    expect(await one(store, open('c1', 1, by(8)))).toMatchObject({ ok: true, before: 5, head: 1, reserved: 101 });
    for (const older of [7, 5, 1]) expect(await one(store, open('c1', 1, by(older)))).toEqual(OVER);
    expect(await one(store, open('c1', 1, by(8)))).toMatchObject({ ok: true, before: 8 });
    expect(await one(store, save(send('c1', 'a', 'ann'), 1, 2))).toMatchObject({ ok: true, dup: false });
  },

  async 'an older opening is over also where the newer one was closed or settled'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1, by(2)), close('c1', 1, 1, { opening: 2 }));
    expect(await one(store, open('c1', 1, by(1)))).toEqual(OVER);
    expect(await store.heads('ann', ['c1'])).toMatchObject([{ epoch: 0 }]);
    expect(place(await one(store, send('c1', 'a', 'ann')))).toEqual({ seq: 2, rev: 2, dup: false });
    expect(await one(store, open('c1', 1, by(4)))).toMatchObject({ ok: true, before: 0, head: 2 });
    await all(store, settle('c1', 1, 2));
    expect(await one(store, open('c1', 1, by(3)))).toEqual(OVER);
    expect(await store.openConversations(1, { after: '', limit: 10 })).toEqual([]);
    expect(await one(store, open('c1', 1, by(5)))).toMatchObject({ ok: true, before: 0 });
  },

  async 'in another epoch openings begin anew'(store) {
    await group(store);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1, by(9)));
    await beginEpoch(store, 2);
    expect(await one(store, open('c1', 2, by(10)))).toEqual(OVER);
    await all(store, settle('c1', 1, 0));
    expect(await one(store, open('c1', 2, by(3)))).toMatchObject({ ok: true, before: 0 });
    expect(await one(store, open('c1', 1, by(11)))).toEqual(OVER);
    expect(await one(store, open('c1', 2, by(2)))).toEqual(OVER);
    await all(store, close('c1', 2, 0, { opening: 3 }));
    expect(await one(store, open('c1', 2, by(2)))).toEqual(OVER);
    await beginEpoch(store, 3);
    expect(await one(store, open('c1', 3, by(1)))).toMatchObject({ ok: true, before: 0 });
  },

  async 'an opening that is over reserves nothing'(store) {
    await group(store);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1, by(2, 10)));
    expect(await one(store, open('c1', 1, by(1, 500)))).toEqual(OVER);
    expect(await store.openConversations(1, { after: '', limit: 10 })).toEqual([{ cid: 'c1', head: 0, rev: 0, reserved: 10 }]);
  },

  async 'it is closed only by the opening it is open by'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1, by(4)), open('c1', 1, by(6)));
    for (const opening of [4, 5, 7]) expect(await one(store, close('c1', 1, 1, { opening }))).toEqual(OVER);
    expect(await one(store, close('c1', 1, 9, { opening: 4 }))).toEqual(OVER);
    expect(await one(store, close('c1', 1, 9, { opening: 6 }))).toEqual({ ok: false, code: 'ahead' });
    expect(await one(store, send('c1', 'a', 'ann'))).toEqual({ ok: false, code: 'accepting' });
    expect(await one(store, close('c1', 1, 1, { opening: 6 }))).toEqual({ ok: true, op: 'close' });
    expect(await one(store, close('c1', 1, 1, { opening: 6 }))).toEqual(OVER);
  },

  async 'in one batch they are compared one after the other'(store) {
    await group(store);
    await beginEpoch(store, 1);
    const outcomes = await store.commit([
      ...[open('c1', 1, by(2)), open('c1', 1, by(1)), close('c1', 1, 0, { opening: 1 }), open('c1', 1, by(3))],
      ...[close('c1', 1, 0, { opening: 2 }), close('c1', 1, 0, { opening: 3 }), open('c1', 1, by(2)), open('c1', 1, by(4))],
    ]);
    const told = outcomes.map((outcome) => (!outcome.ok ? outcome.code : outcome.op === 'open' ? outcome.before : outcome.op));
    expect(told).toEqual([0, 'over', 'over', 2, 'over', 'close', 'over', 0]);
  },
};
