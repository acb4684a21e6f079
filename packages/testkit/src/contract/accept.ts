import type { Outcome, Store } from '@gapless/core';
import { expect } from 'vitest';
import {
  add,
  all,
  beginEpoch,
  close,
  create,
  entryOf,
  group,
  messageOf,
  one,
  open,
  place,
  range,
  read,
  remove,
  save,
  send,
  settings,
  T0,
} from './commands.ts';
import type { Cases } from './contract.ts';
import { feedOf } from './feed-reader.ts';

const opened = (head: number, rest: Partial<Outcome & { op: 'open' }> = {}) => ({
  ok: true,
  op: 'open',
  before: 0,
  head,
  rev: head,
  membersRev: 0,
  reserved: head + 100,
  ...rest,
});
const refused = (code: string) => ({ ok: false, code });

/** Conversations whose numbers the accept log gives: opened, saved and closed. */
export const acceptCases: Cases<Store> = {
  async 'opening tells where the store is; a second time it changes nothing'(store) {
    await group(store, 3);
    await all(store, add('c1', ['dan']));
    await beginEpoch(store, 7);
    expect(await one(store, open('c1', 7))).toEqual(opened(3, { rev: 4, membersRev: 4 }));
    expect(await one(store, open('c1', 7))).toEqual(opened(3, { before: 1, rev: 4, membersRev: 4 }));
    expect(await store.heads('ann', ['c1'])).toMatchObject([{ head: 3, rev: 4, epoch: 7 }]);
    expect(await store.conversation('c1')).toMatchObject({ head: 3, rev: 4 });
  },

  async 'what is reserved grows only'(store) {
    await group(store);
    await beginEpoch(store, 1);
    expect(await one(store, open('c1', 1, { window: 10 }))).toMatchObject({ reserved: 10 });
    expect(await one(store, open('c1', 1, { window: 5 }))).toMatchObject({ reserved: 10 });
    expect(await one(store, save(send('c1', 'm1', 'ann'), 1, 1, { window: 20 }))).toMatchObject({ reserved: 21 });
    expect(await one(store, save(send('c1', 'm2', 'ann'), 1, 2, { window: 3 }))).toMatchObject({ reserved: 21 });
    expect(await one(store, save(send('c1', 'm2', 'ann'), 1, 2, { window: 50 }))).toMatchObject({ dup: true, reserved: 21 });
    expect(await store.openConversations(1, { after: '', limit: 10 })).toEqual([{ cid: 'c1', head: 2, rev: 2, reserved: 21 }]);
    await all(store, close('c1', 1, 2));
    expect(await one(store, open('c1', 1, { opening: 2, window: 5 }))).toMatchObject({ before: 0, reserved: 7 });
  },

  async 'only in the epoch that is open a conversation is opened, and in one at a time'(store) {
    await group(store);
    expect(await one(store, open('c1', 0))).toMatchObject(refused('over'));
    expect(await one(store, open('c1', 1))).toMatchObject(refused('over'));
    await beginEpoch(store, 1);
    expect(await one(store, open('c1', 2))).toMatchObject(refused('over'));
    expect(await one(store, open('nowhere', 1))).toMatchObject(refused('not_participant'));
    await all(store, open('c1', 1));
    await store.moveAcceptState({ epoch: 1, state: 'open' }, { epoch: 1, state: 'settling' });
    expect(await one(store, open('c1', 1))).toMatchObject(refused('over'));
    await beginEpoch(store, 2);
    expect(await one(store, open('c1', 2))).toMatchObject(refused('over'));
    expect(await store.heads('ann', ['c1'])).toMatchObject([{ epoch: 1 }]);
  },

  async 'while it is open the store gives no number, and tells so'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    const outcomes = await store.commit([
      ...[open('c1', 1), send('c1', 'm2', 'ann'), send('c1', 'm1', 'ann'), send('c1', 'm3', 'ann', { membersRev: 0, ensureMembers: true })],
      ...[add('c1', ['dan']), remove('c1', 'cid'), settings('c1', 'Plans'), read('c1', 'bob', 1), create('c2', ['ann'])],
      ...[send('c2', 'm1', 'ann'), close('c1', 1, 1), send('c1', 'm2', 'ann')],
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.op : outcome.code))).toEqual([
      ...['open', 'accepting', 'accepting', 'accepting', 'accepting', 'accepting', 'accepting'],
      ...['read', 'create', 'send', 'close', 'send'],
    ]);
    expect(place(outcomes.at(-1))).toEqual({ seq: 2, rev: 2, dup: false });
    expect(await store.participants('c1')).toHaveLength(3);
  },

  async 'a send alone, and one with others, are told that it is open'(store) {
    await group(store);
    await all(store, create('c2', ['ann']));
    await beginEpoch(store, 1);
    await all(store, open('c1', 1));
    expect(await one(store, send('c1', 'm1', 'ann'))).toEqual(refused('accepting'));
    const outcomes = await store.commit(range(20).map((i) => send(i % 3 === 0 ? 'c1' : 'c2', `m${i}`, 'ann')));
    for (const [i, outcome] of outcomes.entries())
      expect(outcome.ok ? 'send' : outcome.code).toBe((i + 1) % 3 === 0 ? 'accepting' : 'send');
    expect(await store.conversation('c2')).toMatchObject({ head: 14, rev: 14 });
    const repeated = await store.commit([send('c2', 'x', 'ann'), send('c1', 'x', 'ann'), send('c2', 'x', 'ann'), send('c1', 'x', 'ann')]);
    expect(repeated.map((outcome) => (outcome.ok ? 'send' : outcome.code))).toEqual(['send', 'accepting', 'send', 'accepting']);
  },

  async 'a saved message is as one that was sent'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    const command = send('c1', 'new', 'bob', { at: T0 + 50, replyTo: 1, mentions: ['ann'], body: '{"text":"你好 👋 \\u0000"}' });
    await all(store, open('c1', 1));
    expect(await one(store, save(command, 1, 2))).toEqual({ ok: true, op: 'save', dup: false, reserved: 102, entry: entryOf(command, 2) });
    expect(await store.messages('c1', { limit: 1 })).toEqual([messageOf(command, 2)]);
    expect(await store.changes('c1', { after: 1, limit: 10 })).toEqual([entryOf(command, 2)]);
    expect((await feedOf(store, 3))[2]).toMatchObject({ entry: entryOf(command, 2), at: T0 + 50 });
    expect(await store.conversation('c1')).toMatchObject({ head: 2, rev: 2, updatedAt: T0 + 50 });
    expect(await store.positions('c1')).toEqual([]);
  },

  async 'many saves of several conversations in one batch each take their place'(store) {
    const cids = range(12).map((i) => `c${i}`);
    await all(store, ...cids.map((cid) => create(cid, ['ann'])));
    await beginEpoch(store, 1);
    await all(store, ...cids.map((cid) => open(cid, 1)));
    for (const from of [1, 11]) {
      const batch = range(10, from).flatMap((seq) => cids.map((cid) => save(send(cid, `m${seq}`, 'ann', { at: T0 + seq }), 1, seq)));
      const outcomes = await store.commit(batch);
      for (const [i, outcome] of outcomes.entries()) {
        const seq = from + Math.floor(i / 12);
        const entry = entryOf(send(cids[i % 12]!, `m${seq}`, 'ann', { at: T0 + seq }), seq);
        expect(outcome).toEqual({ ok: true, op: 'save', dup: false, reserved: seq + 100, entry });
      }
    }
    for (const cid of cids) {
      expect(await store.conversation(cid)).toMatchObject({ head: 20, rev: 20, updatedAt: T0 + 20 });
      expect((await store.changes(cid, { after: 0, limit: 100 })).map(({ rev }) => rev)).toEqual(range(20));
    }
  },

  async 'a number that is saved is the same again, whatever the epoch'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1), save(send('c1', 'a', 'ann'), 1, 2));
    const again = { ok: true, op: 'save', dup: true, reserved: 102 };
    expect(await store.commit([save(send('c1', 'a', 'ann'), 1, 2), save(send('c1', 'm1', 'ann'), 9, 1)])).toEqual([again, again]);
    await all(store, close('c1', 1, 2));
    expect(await one(store, save(send('c1', 'a', 'ann'), 1, 2))).toMatchObject({ ok: true, dup: true });
    expect(await store.conversation('c1')).toMatchObject({ head: 2, rev: 2 });
  },

  async 'a save of another epoch, or of none, is over'(store) {
    await group(store, 1);
    expect(await one(store, save(send('c1', 'a', 'ann'), 1, 2))).toEqual(refused('over'));
    expect(await one(store, save(send('c1', 'a', 'ann'), 0, 2))).toEqual(refused('over'));
    await beginEpoch(store, 5);
    await all(store, open('c1', 5));
    for (const epoch of [4, 6])
      for (const seq of [1, 2, 3]) expect(await one(store, save(send('c1', 'a', 'ann'), epoch, seq))).toEqual(refused('over'));
    expect(await one(store, save(send('nowhere', 'a', 'ann'), 5, 1))).toMatchObject(refused('not_participant'));
    expect(await store.conversation('c1')).toMatchObject({ head: 1, rev: 1 });
  },

  async 'a save before its time is ahead, and one with another message’s number is over'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1));
    const outcomes = await store.commit([
      save(send('c1', 'c', 'ann'), 1, 4),
      save(send('c1', 'a', 'ann'), 1, 2),
      save(send('c1', 'c', 'ann'), 1, 4),
      save(send('c1', 'other', 'ann'), 1, 2),
      save(send('c1', 'b', 'ann'), 1, 3),
      save(send('c1', 'c', 'ann'), 1, 4),
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? 'saved' : outcome.code))).toEqual(['ahead', 'saved', 'ahead', 'over', 'saved', 'saved']);
    expect((await store.messages('c1', { limit: 10 })).map(({ mid }) => mid)).toEqual(['m1', 'a', 'b', 'c']);
    expect((await store.changes('c1', { after: 0, limit: 10 })).map(({ rev }) => rev)).toEqual(range(4));
  },

  async 'a message that has another number already leaves its second one to a lost message'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1));
    const again = save(send('c1', 'm1', 'ann', { at: T0 + 9 }), 1, 2);
    const lost = {
      cid: 'c1',
      seq: 2,
      rev: 2,
      mid: expect.stringMatching(/[^\w-]/),
      from: 'system',
      at: T0 + 9,
      kind: 'lost',
      body: '{}',
      recalledAt: T0 + 9,
    };
    const entry = { op: 'message', cid: 'c1', rev: 2, message: lost };
    expect(await store.commit([again, save(send('c1', 'a', 'ann'), 1, 3)])).toEqual([
      { ok: false, code: 'twice', entries: [entry] },
      { ok: true, op: 'save', dup: false, reserved: 103, entry: entryOf(send('c1', 'a', 'ann'), 3) },
    ]);
    expect(await one(store, again)).toMatchObject({ ok: false, code: 'twice' });
    expect(await store.changes('c1', { after: 1, limit: 10 })).toEqual([entry, entryOf(send('c1', 'a', 'ann'), 3)]);
    expect((await feedOf(store, 4)).map((row) => row.entry.rev)).toEqual([0, 1, 2, 3]);
    expect(await store.conversation('c1')).toMatchObject({ head: 3, rev: 3 });
  },

  async 'the same message under two numbers of one batch is saved under the first'(store) {
    await group(store);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1));
    const a = send('c1', 'a', 'ann');
    const outcomes = await store.commit([save(a, 1, 1), save(a, 1, 1), save(a, 1, 2), save(send('c1', 'b', 'ann'), 1, 3)]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.op === 'save' && outcome.dup : outcome.code))).toEqual([
      false,
      true,
      'twice',
      false,
    ]);
    expect((await store.messages('c1', { limit: 10 })).map(({ kind }) => kind)).toEqual(['text', 'lost', 'text']);
  },

  async 'one refused save does not touch its neighbours, of its own conversation and of others'(store) {
    await all(store, create('c1', ['ann']), create('c2', ['ann']), create('c3', ['ann']));
    await beginEpoch(store, 1);
    await all(store, open('c1', 1), open('c2', 1));
    const outcomes = await store.commit([
      ...[save(send('c1', 'a', 'ann'), 1, 1), save(send('c2', 'a', 'ann'), 1, 2), save(send('c3', 'a', 'ann'), 1, 1)],
      ...[save(send('c2', 'b', 'ann'), 1, 1), save(send('c1', 'b', 'ann'), 1, 2), save(send('gone', 'b', 'ann'), 1, 2)],
      ...[send('c3', 'b', 'ann'), send('c1', 'c', 'ann'), save(send('c1', 'c', 'ann'), 1, 3)],
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.op : outcome.code))).toEqual([
      ...['save', 'ahead', 'over', 'save', 'save', 'not_participant', 'send', 'accepting', 'save'],
    ]);
    expect(await store.revs(['c1', 'c2', 'c3'])).toEqual([3, 1, 1]);
  },

  async 'closing gives the numbers back to the store once all that was given is saved'(store) {
    await group(store, 1);
    await beginEpoch(store, 1);
    await all(store, open('c1', 1), save(send('c1', 'a', 'ann'), 1, 2));
    expect(await one(store, close('c1', 1, 3))).toEqual(refused('ahead'));
    expect(await one(store, close('c1', 2, 2))).toEqual(refused('over'));
    expect(await one(store, send('c1', 'b', 'ann'))).toEqual(refused('accepting'));
    expect(await one(store, close('c1', 1, 2))).toEqual({ ok: true, op: 'close' });
    expect(await one(store, close('c1', 1, 2))).toEqual(refused('over'));
    expect(await one(store, close('nowhere', 1, 2))).toMatchObject(refused('not_participant'));
    expect(await store.heads('ann', ['c1'])).toMatchObject([{ head: 2, epoch: 0 }]);
    expect(place(await one(store, send('c1', 'b', 'ann')))).toEqual({ seq: 3, rev: 3, dup: false });
    expect(await one(store, save(send('c1', 'c', 'ann'), 1, 4))).toEqual(refused('over'));
  },
};
