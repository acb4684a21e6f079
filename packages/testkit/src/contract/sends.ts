import type { Store } from '@gapless/core';
import { expect } from 'vitest';
import { add, all, create, entryOf, group, messageOf, one, place, range, remove, send, T0 } from './commands.ts';
import type { Cases } from './contract.ts';

export const sendCases: Cases<Store> = {
  async 'the first message has seq 1 and rev 1, and its entry is the message'(store) {
    await group(store);
    const command = send('c1', 'm1', 'ann', { at: T0 + 5, mentions: ['bob'] });
    expect(await one(store, command)).toEqual({ ok: true, op: 'send', seq: 1, rev: 1, at: T0 + 5, dup: false, entry: entryOf(command, 1) });
    expect(await store.messages('c1', { limit: 10 })).toEqual([messageOf(command, 1)]);
  },

  async 'seq and rev are dense over batches of any size'(store) {
    await group(store);
    let sent = 0;
    for (const size of [1, 7, 1, 100, 3]) {
      const outcomes = await store.commit(range(size, sent + 1).map((i) => send('c1', `m${i}`, i % 2 === 0 ? 'ann' : 'bob')));
      expect(outcomes.map(place)).toEqual(range(size, sent + 1).map((seq) => ({ seq, rev: seq, dup: false })));
      sent += size;
    }
    const kept = await store.messages('c1', { after: 0, limit: 1_000 });
    expect(kept.map(({ seq, rev, mid }) => ({ seq, rev, mid }))).toEqual(range(sent).map((i) => ({ seq: i, rev: i, mid: `m${i}` })));
  },

  async 'conversations interleaved in one batch count each for itself'(store) {
    await all(store, create('c1', ['ann']), create('c2', ['ann']), create('c3', ['ann']));
    const cids = range(300).map((i) => `c${((i * 7) % 3) + 1}`);
    const outcomes = await store.commit(cids.map((cid, i) => send(cid, `m${i}`, 'ann')));
    const heads: Record<string, number> = {};
    for (const [i, cid] of cids.entries()) {
      heads[cid] = (heads[cid] ?? 0) + 1;
      expect(place(outcomes[i])).toEqual({ seq: heads[cid], rev: heads[cid], dup: false });
    }
    for (const cid of ['c1', 'c2', 'c3']) expect((await store.conversation(cid))?.head).toBe(heads[cid]);
  },

  async 'a change takes a rev and no seq'(store) {
    await group(store);
    const outcomes = await store.commit([send('c1', 'm1', 'ann'), remove('c1', 'cid'), send('c1', 'm2', 'ann')]);
    expect(place(outcomes[2])).toEqual({ seq: 2, rev: 3, dup: false });
    expect(await store.conversation('c1')).toMatchObject({ head: 2, rev: 3 });
  },

  async 'the same mid a hundred times in one batch is one message'(store) {
    await group(store);
    const outcomes = await store.commit(range(100).map(() => send('c1', 'm1', 'ann')));
    expect(outcomes.map(place)).toEqual(range(100).map((i) => ({ seq: 1, rev: 1, dup: i > 1 })));
    expect(outcomes.filter((outcome) => outcome.ok && 'entry' in outcome && outcome.entry !== undefined)).toHaveLength(1);
    expect(await store.messages('c1', { limit: 200 })).toHaveLength(1);
  },

  async 'a mid sent again later gives its first outcome, with the first time'(store) {
    await group(store, 3);
    for (const at of range(20, T0 + 100)) {
      expect(await one(store, send('c1', 'm2', 'ann', { at }))).toEqual({ ok: true, op: 'send', seq: 2, rev: 2, at: T0 + 2, dup: true });
    }
    expect(await store.conversation('c1')).toMatchObject({ head: 3, rev: 3, updatedAt: T0 + 3 });
    expect(place(await one(store, send('c1', 'm4', 'ann')))).toEqual({ seq: 4, rev: 4, dup: false });
  },

  async 'the same mid in another conversation is another message'(store) {
    await all(store, create('c1', ['ann']), create('c2', ['ann']));
    const outcomes = await store.commit([send('c1', 'm1', 'ann'), send('c2', 'm1', 'ann')]);
    expect(outcomes.map((outcome) => place(outcome)?.dup)).toEqual([false, false]);
  },

  async 'mids that differ in case only are two messages'(store) {
    await group(store);
    const outcomes = await store.commit([send('c1', 'mid', 'ann'), send('c1', 'MID', 'ann')]);
    expect(outcomes.map((outcome) => place(outcome)?.seq)).toEqual([1, 2]);
  },

  async 'the same mid with another payload is a conflict'(store) {
    await group(store, 1);
    expect(await one(store, send('c1', 'm1', 'ann', { text: 'something else' }))).toMatchObject({ ok: false, code: 'mid_conflict' });
    expect(await store.messages('c1', { limit: 10 })).toEqual([messageOf(send('c1', 'm1', 'ann', { at: T0 + 1 }), 1)]);
  },

  async 'the same mid and payload from another sender is a conflict'(store) {
    await group(store, 1);
    expect(await one(store, send('c1', 'm1', 'bob'))).toMatchObject({ ok: false, code: 'mid_conflict' });
    expect(await store.conversation('c1')).toMatchObject({ head: 1, rev: 1 });
  },

  async 'a send of who was removed since is stale: nothing is saved, no seq burnt, no first outcome told'(store) {
    await group(store, 1);
    await all(store, send('c1', 'b1', 'bob'), remove('c1', 'bob'));
    for (const membersRev of [0, 1, 2, 4]) {
      expect(await one(store, send('c1', 'new', 'bob', { membersRev }))).toMatchObject({ ok: false, code: 'stale' });
      expect(await one(store, send('c1', 'b1', 'bob', { membersRev }))).toMatchObject({ ok: false, code: 'stale' });
    }
    expect(await store.conversation('c1')).toMatchObject({ head: 2, rev: 3, membersRev: 3 });
  },

  async 'a send of who still takes part goes on, however old the rights are'(store) {
    await group(store, 1);
    await all(store, add('c1', ['dan']));
    expect(place(await one(store, send('c1', 'm1', 'ann', { membersRev: 0 })))).toEqual({ seq: 1, rev: 1, dup: true });
    const command = send('c1', 'new', 'ann', { membersRev: 0, callerRole: 'owner' });
    expect(await one(store, command)).toEqual({ ok: true, op: 'send', seq: 2, rev: 3, at: T0, dup: false, entry: entryOf(command, 2, 3) });
    expect(await store.messages('c1', { limit: 1 })).toEqual([messageOf(command, 2, 3)]);
    // As two in a batch, which is another road in some stores.
    const twice = [send('c1', 'x', 'dan', { membersRev: 0 }), send('c1', 'x', 'dan', { membersRev: 0 })];
    expect((await store.commit(twice)).map(place)).toEqual([
      { seq: 3, rev: 4, dup: false },
      { seq: 3, rev: 4, dup: true },
    ]);
    expect(place(await one(store, send('c1', 'free', 'ann')))).toEqual({ seq: 4, rev: 5, dup: false });
  },

  async 'a message to no conversation is refused'(store) {
    expect(await one(store, send('nowhere', 'm1', 'ann'))).toMatchObject({ ok: false, code: 'not_participant' });
    expect(await store.conversation('nowhere')).toBeUndefined();
  },

  async 'failed commands leave nothing, burn no seq, and do not disturb their neighbours'(store) {
    await group(store, 1);
    const outcomes = await store.commit([
      send('c1', 'a', 'ann'),
      send('c1', 'm1', 'bob'),
      send('c1', 'b', 'bob'),
      send('c1', 'bad', 'ann', { replyTo: 99 }),
      send('nowhere', 'x', 'ann'),
      create('c9', ['ann', 'nobody'], { createUsers: false }),
      send('c9', 'y', 'ann'),
      send('c1', 'c', 'ann'),
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? place(outcome)?.seq : outcome.code))).toEqual([
      ...[2, 'mid_conflict', 3, 'bad_frame'],
      ...['not_participant', 'unknown_user', 'not_participant', 4],
    ]);
    expect((await store.messages('c1', { limit: 10 })).map(({ seq, mid }) => `${seq} ${mid}`)).toEqual(['1 m1', '2 a', '3 b', '4 c']);
    expect((await store.changes('c1', { after: 0, limit: 10 })).map(({ rev }) => rev)).toEqual([1, 2, 3, 4]);
    expect(await store.conversation('c9')).toBeUndefined();
    expect(place(await one(store, send('c1', 'bad', 'ann')))).toEqual({ seq: 5, rev: 5, dup: false });
  },

  async 'replyTo and threadRoot name a message that is there'(store) {
    await group(store, 2);
    for (const ref of ['replyTo', 'threadRoot'] as const) {
      for (const seq of [3, 4, 1_000]) {
        const outcome = await one(store, send('c1', `${ref} ${seq}`, 'ann', { [ref]: seq }));
        expect(outcome).toMatchObject({ ok: false, code: 'bad_frame', say: expect.stringContaining(ref) });
      }
    }
    const command = send('c1', 'm3', 'ann', { replyTo: 2, threadRoot: 1 });
    expect(await one(store, command)).toMatchObject({ ok: true, seq: 3, entry: entryOf(command, 3) });
    expect((await store.messages('c1', { limit: 1 }))[0]).toEqual(messageOf(command, 3));
  },

  async 'a reply may follow its message in the same batch'(store) {
    await group(store);
    const outcomes = await store.commit([send('c1', 'm1', 'ann'), send('c1', 'm2', 'bob', { replyTo: 1, threadRoot: 1 })]);
    expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true]);
  },

  async 'an empty batch is an empty answer'(store) {
    expect(await store.commit([])).toEqual([]);
  },

  async 'a body comes back as it was written'(store) {
    await group(store);
    const values = [
      'Grüße 你好 👩‍👩‍👧 \u202e',
      'lone \ud800 and \udc00',
      'nul \0 within',
      'quotes " \\ / \n \t \u2028',
      '',
      'x'.repeat(60_000),
    ];
    const bodies = values.map((text) => JSON.stringify({ text, [`key ${text.slice(0, 20)}`]: [text, null, 1e21, -0, true, {}] }));
    const outcomes = await store.commit(bodies.map((body, i) => send('c1', `m${i}`, 'ann', { body, digest: `${i}` })));
    expect(
      outcomes.map((outcome) => outcome.ok && 'entry' in outcome && outcome.entry?.op === 'message' && outcome.entry.message.body),
    ).toEqual(bodies);
    expect((await store.messages('c1', { after: 0, limit: 10 })).map(({ body }) => body)).toEqual(bodies);
    const changes = await store.changes('c1', { after: 0, limit: 10 });
    expect(changes.map((entry) => entry.op === 'message' && entry.message.body)).toEqual(bodies);
  },

  async 'a batch of a thousand is as good as one'(store) {
    await group(store);
    await all(store, ...range(1_000).map((i) => send('c1', `m${i}`, 'ann')));
    expect(await store.conversation('c1')).toMatchObject({ head: 1_000, rev: 1_000 });
    expect((await store.messages('c1', { after: 0, limit: 2_000 })).map(({ seq }) => seq)).toEqual(range(1_000));
  },
};
