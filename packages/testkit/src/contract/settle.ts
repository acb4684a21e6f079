import type { LogEntry, SendCommand, Store } from '@gapless/core';
import { expect } from 'vitest';
import { all, beginEpoch, close, create, entryOf, group, one, open, place, range, save, send, settle, T0 } from './commands.ts';
import type { Cases } from './contract.ts';
import { feedOf } from './feed-reader.ts';

/** A c1 with `count` messages that is open in epoch 1. */
async function openGroup(store: Store, count = 0): Promise<void> {
  await group(store, count);
  await beginEpoch(store, 1);
  await all(store, open('c1', 1));
}

const a = (mid: string, rest: Partial<SendCommand> = {}) => send('c1', mid, 'ann', rest);

/** The log row of a number whose message was lost; `settle` of these commands is at T0. */
function lostAt(seq: number, rev = seq): unknown {
  const message = { cid: 'c1', seq, rev, from: 'system', at: T0, kind: 'lost', body: '{}', recalledAt: T0 };
  return { op: 'message', cid: 'c1', rev, message: { ...message, mid: expect.stringMatching(/[^\w-]/) } };
}

const lostChange = (rev: number, seqs: readonly number[]): LogEntry => ({
  ...{ op: 'change', cid: 'c1', rev, by: 'system', at: T0 },
  detail: { op: 'lost', seqs },
});

/** The end of an epoch for a conversation that was open in it. */
export const settleCases: Cases<Store> = {
  async 'settling saves what is known, and makes every other number a lost message'(store) {
    await openGroup(store, 1);
    const outcome = await one(store, settle('c1', 1, 6, { 2: a('b', { replyTo: 1 }), 3: a('c'), 5: a('e') }));
    const entries = [
      entryOf(a('b', { replyTo: 1 }), 2),
      entryOf(a('c'), 3),
      lostAt(4),
      entryOf(a('e'), 5),
      lostAt(6),
      lostChange(7, [4, 6]),
    ];
    expect(outcome).toEqual({ ok: true, op: 'settle', entries });
    expect(await store.changes('c1', { after: 1, limit: 10 })).toEqual(entries);
    expect((await feedOf(store, 8)).map(({ entry }) => entry.rev)).toEqual(range(8, 0));
    expect(await store.conversation('c1')).toMatchObject({ head: 6, rev: 7 });
    expect(await store.heads('ann', ['c1'])).toMatchObject([{ head: 6, epoch: 0 }]);
    expect(place(await one(store, a('f')))).toEqual({ seq: 7, rev: 8, dup: false });
  },

  async 'where nothing is lost there is no lost change'(store) {
    await openGroup(store, 1);
    expect(await one(store, settle('c1', 1, 3, { 2: a('b'), 3: a('c') }))).toEqual({
      ...{ ok: true, op: 'settle' },
      entries: [entryOf(a('b'), 2), entryOf(a('c'), 3)],
    });
    expect(await store.conversation('c1')).toMatchObject({ head: 3, rev: 3 });
  },

  async 'where nothing was given it only ends'(store) {
    await openGroup(store, 2);
    expect(await one(store, settle('c1', 1, 2))).toEqual({ ok: true, op: 'settle', entries: [] });
    expect(place(await one(store, a('c')))).toEqual({ seq: 3, rev: 3, dup: false });
  },

  async 'what is saved already is left out'(store) {
    await openGroup(store, 1);
    await all(store, save(a('b'), 1, 2));
    const outcome = await one(store, settle('c1', 1, 3, { 1: a('m1'), 2: a('b'), 3: a('c') }));
    expect(outcome).toEqual({ ok: true, op: 'settle', entries: [entryOf(a('c'), 3)] });
    expect(await store.conversation('c1')).toMatchObject({ head: 3, rev: 3 });
  },

  async 'it goes up to the newest message, and never back, whatever the last number is said to be'(store) {
    await openGroup(store, 2);
    const entries = [lostAt(3), entryOf(a('d'), 4), lostChange(5, [3])];
    expect(await one(store, settle('c1', 1, 3, { 4: a('d') }))).toEqual({ ok: true, op: 'settle', entries });
    await all(store, open('c1', 1, { opening: 2 }));
    expect(await one(store, settle('c1', 1, 1))).toEqual({ ok: true, op: 'settle', entries: [] });
    expect(await store.conversation('c1')).toMatchObject({ head: 4, rev: 5 });
  },

  async 'all that is reserved is settled where that is asked for'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1, { window: 3 }), save(a('b'), 1, 2, { window: 4 }));
    const entries = [entryOf(a('c'), 3), lostAt(4), entryOf(a('e'), 5), lostAt(6), lostChange(7, [4, 6])];
    expect(await one(store, settle('c1', 1, 'reserved', { 3: a('c'), 5: a('e') }))).toEqual({ ok: true, op: 'settle', entries });
    expect(await store.conversation('c1')).toMatchObject({ head: 6, rev: 7 });
    expect(await one(store, settle('c1', 1, 'reserved'))).toEqual({ ok: true, op: 'settle', entries: [] });
    // Of what was reserved before, nothing is left.
    expect(await one(store, open('c1', 1, { opening: 2, window: 1 }))).toMatchObject({ head: 6, reserved: 7 });
    const beyond = [lostAt(7, 8), lostAt(8, 9), entryOf(a('i'), 9, 10), lostChange(11, [7, 8])];
    expect(await one(store, settle('c1', 1, 'reserved', { 9: a('i') }))).toEqual({ ok: true, op: 'settle', entries: beyond });
  },

  async 'where an opening is named, only that one is settled'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1, { opening: 4 }), open('c1', 1, { opening: 6 }));
    const nothing = { ok: true, op: 'settle', entries: [] };
    for (const opening of [4, 5, 7]) expect(await one(store, settle('c1', 1, 2, { 2: a('b') }, { opening }))).toEqual(nothing);
    expect(await store.heads('ann', ['c1'])).toMatchObject([{ head: 1, epoch: 1 }]);
    const entries = [entryOf(a('b'), 2)];
    expect(await one(store, settle('c1', 1, 2, { 2: a('b') }, { opening: 6 }))).toEqual({ ok: true, op: 'settle', entries });
    expect(await one(store, settle('c1', 1, 'reserved', {}, { opening: 6 }))).toEqual(nothing);
    expect(await store.heads('ann', ['c1'])).toMatchObject([{ head: 2, epoch: 0 }]);
  },

  async 'revs go on densely, whatever the accept log said'(store) {
    await group(store, 1);
    await all(store, { op: 'settings', cid: 'c1', by: 'ann', at: T0, title: 'Plans' });
    await beginEpoch(store, 1);
    await all(store, open('c1', 1));
    const outcome = await one(store, settle('c1', 1, 2, { 2: a('b') }));
    expect(outcome).toEqual({ ok: true, op: 'settle', entries: [entryOf(a('b'), 2, 3)] });
  },

  async 'a message that is there already under another number is lost under this one'(store) {
    await openGroup(store, 1);
    const outcome = await one(store, settle('c1', 1, 4, { 2: a('m1'), 3: a('c'), 4: a('c') }));
    expect(outcome).toEqual({ ok: true, op: 'settle', entries: [lostAt(2), entryOf(a('c'), 3), lostAt(4), lostChange(5, [2, 4])] });
    expect((await store.messages('c1', { limit: 10 })).map(({ mid }) => mid).slice(0, 1)).toEqual(['m1']);
  },

  async 'it is settled once, and only in its epoch'(store) {
    await openGroup(store, 1);
    const nothing = { ok: true, op: 'settle', entries: [] };
    expect(await one(store, settle('c1', 2, 9))).toEqual(nothing);
    expect(await one(store, settle('c1', 1, 2))).toMatchObject({ entries: [lostAt(2), lostChange(3, [2])] });
    expect(await one(store, settle('c1', 1, 9))).toEqual(nothing);
    expect(await one(store, settle('nowhere', 1, 9))).toMatchObject({ ok: false, code: 'not_participant' });
    expect(await store.conversation('c1')).toMatchObject({ head: 2, rev: 3 });
  },

  async 'after it the epoch takes nothing, and lost messages can be sent again'(store) {
    await openGroup(store, 1);
    await all(store, settle('c1', 1, 3, { 3: a('c') }));
    expect(await one(store, save(a('b'), 1, 2))).toEqual({ ok: false, code: 'over' });
    expect(await one(store, save(a('c'), 1, 3))).toMatchObject({ ok: true, dup: true });
    expect(await one(store, save(a('d'), 1, 4))).toEqual({ ok: false, code: 'over' });
    expect(await one(store, close('c1', 1, 3))).toEqual({ ok: false, code: 'over' });
    expect(await one(store, open('c1', 1, { opening: 2 }))).toMatchObject({ ok: true, before: 0, head: 3, rev: 4 });
    await all(store, close('c1', 1, 3, { opening: 2 }));
    expect(place(await one(store, a('b')))).toEqual({ seq: 4, rev: 5, dup: false });
    expect(place(await one(store, a('c')))).toEqual({ seq: 3, rev: 3, dup: true });
  },

  async 'several conversations in one batch, with other commands between'(store) {
    await all(store, create('c1', ['ann']), create('c2', ['ann']), create('c3', ['ann']));
    await beginEpoch(store, 1);
    await all(store, open('c1', 1), open('c2', 1));
    const outcomes = await store.commit([
      ...[settle('c1', 1, 1, { 1: a('a') }), a('b'), settle('c2', 1, 2), send('c3', 'a', 'ann')],
      ...[settle('c3', 1, 5), send('c2', 'x', 'ann')],
    ]);
    expect(outcomes.map((outcome) => (outcome.ok && outcome.op === 'settle' ? outcome.entries.length : place(outcome)?.seq))).toEqual([
      ...[1, 2, 3, 1],
      ...[0, 3],
    ]);
  },

  async 'a thousand lost numbers are one change'(store) {
    await openGroup(store);
    const outcome = await one(store, settle('c1', 1, 1_000, { 500: a('a') }));
    expect(outcome).toMatchObject({ ok: true, entries: { length: 1_001 } });
    const lost = range(1_000).filter((seq) => seq !== 500);
    expect(await store.changes('c1', { after: 1_000, limit: 10 })).toEqual([lostChange(1_001, lost)]);
    expect(await store.messages('c1', { after: 499, limit: 1 })).toMatchObject([{ mid: 'a', kind: 'text' }]);
  },
};
