import { type LogEntry, renderEntry, renderMessage, type Store } from '@gapless/core';
import { expect } from 'vitest';
import { add, all, create, dm, entryOf, group, messageOf, range, remove, send, settings, T0 } from './commands.ts';
import type { Cases } from './contract.ts';

const seqs = (items: readonly { seq: number }[]) => items.map(({ seq }) => seq);
const cidsOf = (items: readonly { cid: string }[]) => items.map(({ cid }) => cid);

export const listCases: Cases<Store> = {
  async 'messages after a seq are the first ones above it'(store) {
    await group(store, 10);
    expect(seqs(await store.messages('c1', { after: 0, limit: 3 }))).toEqual([1, 2, 3]);
    expect(seqs(await store.messages('c1', { after: 3, limit: 3 }))).toEqual([4, 5, 6]);
    expect(seqs(await store.messages('c1', { after: 8, limit: 3 }))).toEqual([9, 10]);
    for (const after of [10, 11, 1_000]) expect(await store.messages('c1', { after, limit: 3 })).toEqual([]);
  },

  async 'messages before a seq are the last ones below it, ascending'(store) {
    await group(store, 10);
    expect(seqs(await store.messages('c1', { before: 11, limit: 3 }))).toEqual([8, 9, 10]);
    expect(seqs(await store.messages('c1', { before: 8, limit: 3 }))).toEqual([5, 6, 7]);
    expect(seqs(await store.messages('c1', { before: 3, limit: 3 }))).toEqual([1, 2]);
    expect(seqs(await store.messages('c1', { before: 1_000, limit: 2 }))).toEqual([9, 10]);
    for (const before of [0, 1]) expect(await store.messages('c1', { before, limit: 3 })).toEqual([]);
  },

  async 'messages without a bound are the newest'(store) {
    await group(store, 10);
    expect(seqs(await store.messages('c1', { limit: 4 }))).toEqual([7, 8, 9, 10]);
    expect(seqs(await store.messages('c1', { limit: 100 }))).toEqual(range(10));
    expect(await store.messages('nowhere', { limit: 4 })).toEqual([]);
  },

  async 'changes are all log rows in order of rev, messages among them'(store) {
    await group(store);
    const [first, second] = [send('c1', 'm1', 'ann', { at: T0 + 1 }), send('c1', 'm2', 'bob', { replyTo: 1 })];
    await all(store, first, settings('c1', 'Plans'), add('c1', ['dan', 'eve']), second, remove('c1', 'cid'));
    const change = (rev: number, detail: object) => ({ op: 'change', cid: 'c1', rev, by: 'ann', at: T0, detail });
    const log = [
      entryOf(first, 1),
      change(2, { op: 'settings', title: 'Plans' }),
      change(3, { op: 'participants_added', users: ['dan', 'eve'], role: 'member' }),
      entryOf(second, 2, 4),
      change(5, { op: 'participants_removed', users: ['cid'] }),
    ];
    expect(await store.changes('c1', { after: 0, limit: 10 })).toEqual(log);
    for (const after of range(6, 0)) {
      for (const limit of range(6)) expect(await store.changes('c1', { after, limit })).toEqual(log.slice(after, after + limit));
    }
    expect(await store.changes('c1', { after: 1_000, limit: 10 })).toEqual([]);
    expect(await store.changes('nowhere', { after: 0, limit: 10 })).toEqual([]);
  },

  async 'what commit returned as entries is what changes give'(store) {
    await group(store);
    const commands = [send('c1', 'm1', 'ann', { mentions: [] }), add('c1', ['dan']), settings('c1', 'Plans'), send('c1', 'm2', 'bob')];
    const outcomes = await store.commit(commands);
    const entries = outcomes.map((outcome) => ('entry' in outcome ? outcome.entry : undefined));
    expect(await store.changes('c1', { after: 0, limit: 10 })).toEqual(entries);
  },

  async 'a replay is the rows as frames, ended by its limit or its bytes but never empty for them'(store) {
    await group(store);
    await all(store, send('c1', 'm1', 'ann'), settings('c1', 'Pläne 计划'), send('c1', 'm2', 'bob', { replyTo: 1 }), remove('c1', 'cid'));
    await all(store, send('c1', 'm3', 'ann', { mentions: ['bob'] }));
    const log = await store.changes('c1', { after: 0, limit: 10 });
    const messages = await store.messages('c1', { after: 0, limit: 10 });
    const rows = {
      rev: log.map((entry) => ({ frame: renderEntry(entry), rev: entry.rev, removed: removedBy(entry) })),
      seq: messages.map((message) => ({ frame: renderMessage(message, true), rev: message.rev, removed: [] as readonly string[] })),
    };
    for (const by of ['rev', 'seq'] as const) {
      for (const after of [0, 1, 2, 5, 100]) {
        for (const limit of [1, 2, 10]) {
          for (const maxBytes of [1, 250, 1e6]) {
            const page = await store.replay('c1', { by, after, limit, maxBytes });
            const expected = fitting(rows[by].slice(after, after + limit), maxBytes);
            expect(Buffer.from(page.bytes).toString()).toBe(expected.map(({ frame }) => frame).join(','));
            expect([...page.revs]).toEqual(expected.map(({ rev }) => rev));
            const ends = [...page.ends];
            expect(
              ends.map((end, i) =>
                Buffer.from(page.bytes)
                  .subarray(i === 0 ? 0 : ends[i - 1]! + 1, end)
                  .toString(),
              ),
            ).toEqual(expected.map(({ frame }) => frame));
            expect(page.removals).toEqual(
              expected.filter(({ removed }) => removed.length > 0).map(({ rev, removed }) => ({ rev, users: removed })),
            );
          }
        }
      }
    }
    expect((await store.replay('nowhere', { by: 'rev', after: 0, limit: 10, maxBytes: 1e6 })).ends).toHaveLength(0);
  },

  async 'revs answer in order, undefined where there is no conversation'(store) {
    await all(store, create('c1', ['ann']), create('c2', ['bob']), send('c1', 'm1', 'ann'), settings('c1', 'Plans'));
    expect(await store.revs(['c2', 'nowhere', 'c1', 'c2'])).toEqual([0, undefined, 2, 0]);
    expect(await store.revs([])).toEqual([]);
    const cids = range(300).map((i) => `many ${i}`);
    await all(store, ...cids.map((cid) => create(cid, ['ann'])));
    expect(await store.revs(cids)).toEqual(cids.map(() => 0));
  },

  async 'heads answer in order, undefined where the user is no participant'(store) {
    await all(store, create('c1', ['ann', 'bob']), create('c2', ['bob']), send('c1', 'm1', 'bob'), settings('c1', 'Plans'));
    const head = { cid: 'c1', head: 1, rev: 2, lastRead: 0, role: 'owner', oldestRev: 1, epoch: 0 };
    expect(await store.heads('ann', ['nowhere', 'c1', 'c2', 'c1'])).toEqual([undefined, head, undefined, head]);
    expect(await store.heads('ann', [])).toEqual([]);
  },

  async 'conversations of a user come newest activity first'(store) {
    await all(store, ...['c1', 'c2', 'c3'].map((cid, i) => create(cid, ['ann'], { at: T0 + i })));
    expect(cidsOf(await store.conversationsOf('ann', { limit: 10 }))).toEqual(['c3', 'c2', 'c1']);
    await all(store, send('c1', 'm1', 'ann', { at: T0 + 10 }));
    expect(cidsOf(await store.conversationsOf('ann', { limit: 10 }))).toEqual(['c1', 'c3', 'c2']);
    await all(store, send('c1', 'm2', 'ann', { at: T0 - 10 }));
    expect((await store.conversationView('ann', 'c1'))?.updatedAt).toBe(T0 + 10);
  },

  async 'pages of conversations lose none and repeat none, with equal times too'(store) {
    const cids = range(23).map((i) => `c${String(i).padStart(2, '0')}`);
    await all(store, ...cids.map((cid, i) => create(cid, ['ann'], { at: T0 + Math.floor(i / 6) })), create('other', ['bob']));
    const whole = cidsOf(await store.conversationsOf('ann', { limit: 100 }));
    expect(whole.toSorted()).toEqual(cids);
    for (const limit of [1, 4, 6, 22, 23]) {
      const paged: string[] = [];
      for (let page = await store.conversationsOf('ann', { limit }); page.length > 0; ) {
        paged.push(...cidsOf(page));
        const { updatedAt, cid } = page.at(-1)!;
        page = await store.conversationsOf('ann', { limit, before: { updatedAt, cid } });
      }
      expect(paged).toEqual(whole);
    }
  },

  async 'a view has the role, the read position and the last message'(store) {
    await group(store);
    expect(await store.conversationView('bob', 'c1')).not.toHaveProperty('lastMessage');
    const command = send('c1', 'm1', 'ann', { at: T0 + 1 });
    await all(store, command);
    const view = { ...(await store.conversation('c1'))!, role: 'member', lastRead: 0, lastMessage: messageOf(command, 1) };
    expect(await store.conversationView('bob', 'c1')).toEqual(view);
    expect(await store.conversationsOf('bob', { limit: 10 })).toEqual([view]);
    expect(await store.conversationView('stranger', 'c1')).toBeUndefined();
    expect(await store.conversationView('ann', 'nowhere')).toBeUndefined();
  },

  async 'a dm shows each side the other, a group shows none'(store) {
    await store.ensureUser({ uid: 'bob', displayName: 'Bob Ray', at: T0 });
    await all(store, dm('d1', 'ann', 'bob'), create('c1', ['ann', 'bob']));
    expect((await store.conversationView('ann', 'd1'))?.peer).toEqual({ uid: 'bob', displayName: 'Bob Ray' });
    expect((await store.conversationView('bob', 'd1'))?.peer).toEqual({ uid: 'ann', displayName: 'ann' });
    expect(await store.conversationView('ann', 'c1')).not.toHaveProperty('peer');
    expect((await store.conversationsOf('ann', { limit: 10 })).map(({ peer }) => peer?.uid)).toEqual(['bob', undefined]);
  },

  async 'participants come by joining, then uid, at most limit'(store) {
    await all(store, create('c1', ['eve', 'bob', 'ann']), add('c1', ['abe'], { at: T0 + 2 }), add('c1', ['zoe'], { at: T0 + 1 }));
    const uids = async (limit?: number) => (await store.participants('c1', limit === undefined ? {} : { limit })).map(({ uid }) => uid);
    expect(await uids()).toEqual(['ann', 'bob', 'eve', 'zoe', 'abe']);
    expect(await uids(2)).toEqual(['ann', 'bob']);
    expect(await uids(100)).toHaveLength(5);
    expect(await store.participants('nowhere')).toEqual([]);
  },

  async 'acquainted are those who share a conversation'(store) {
    await all(store, create('c1', ['ann', 'bob']), create('c2', ['bob', 'cid']), dm('d1', 'ann', 'dan'), create('c3', ['eve']));
    expect((await store.acquainted('ann', ['bob', 'cid', 'dan', 'eve', 'ghost', 'bob'])).toSorted()).toEqual(['bob', 'dan']);
    await all(store, remove('c1', 'bob'));
    expect(await store.acquainted('ann', ['bob'])).toEqual([]);
    expect(await store.acquainted('ann', [])).toEqual([]);
  },

  async 'reads see a batch as soon as its commit has resolved'(store) {
    await group(store);
    for (const i of range(50)) {
      await all(store, send('c1', `m${i}`, 'ann'));
      expect((await store.conversation('c1'))?.head).toBe(i);
    }
  },

  async 'a store that works says so'(store) {
    await expect(store.check()).resolves.toBeUndefined();
    await expect(store.check()).resolves.toBeUndefined();
  },
};

function removedBy(entry: LogEntry): readonly string[] {
  return entry.op === 'change' && entry.detail.op === 'participants_removed' ? entry.detail.users : [];
}

/** The first row, and what else fits with its commas. */
function fitting<T extends { frame: string }>(rows: readonly T[], maxBytes: number): T[] {
  let bytes = -1;
  return rows.filter(({ frame }, i) => {
    bytes += 1 + Buffer.byteLength(frame);
    return i === 0 || bytes <= maxBytes;
  });
}
