import type { FeedRow, Store } from '@gapless/core';
import { expect } from 'vitest';
import { add, all, create, group, type one, range, remove, send, settings, T0 } from './commands.ts';
import type { Cases } from './contract.ts';
import { cidOf, feedOf, partsOf, takeFeed } from './feed-reader.ts';

/** The log as its consumers read it. Cases are about all parts, however many there are. */
export function feedCases(reopen: (() => Promise<Store>) | undefined): Cases<Store> {
  return {
    async 'the feed has every log row once, creations too, those of a conversation in one part and in order of rev'(store) {
      await fill(store);
      const parts = await partsOf(store, 12 * 7);
      for (const rows of parts) for (const [i, { id }] of rows.entries()) expect(id).toBeGreaterThan(i === 0 ? 0 : rows[i - 1]!.id);
      for (const i of range(12)) {
        const cid = `c${i}`;
        const holding = parts.filter((rows) => rows.some((row) => cidOf(row) === cid));
        expect(holding).toHaveLength(1);
        const [created, ...changes] = holding[0]!.map(({ entry }) => entry).filter((entry) => entry.cid === cid);
        const detail = { op: 'created', kind: 'group', users: ['ann', 'bob'], title: 'Plans' };
        expect(created).toEqual({ op: 'change', cid, rev: 0, by: 'ann', at: T0 + i, detail });
        expect(changes).toEqual(await store.changes(cid, { after: 0, limit: 100 }));
      }
    },

    async 'a row says when it was written'(store) {
      await all(store, create('c1', ['ann'], { at: T0 + 5 }), send('c1', 'm1', 'ann', { at: T0 + 7 }), add('c1', ['bob'], { at: T0 + 6 }));
      expect((await feedOf(store, 3)).map(({ at }) => at)).toEqual([T0 + 5, T0 + 7, T0 + 6]);
    },

    async 'commands that change nothing give no row'(store) {
      await group(store, 1);
      await store.commit([
        ...[send('c1', 'm1', 'ann'), send('c1', 'm1', 'bob'), send('nowhere', 'm1', 'ann')],
        ...[add('c1', ['bob']), remove('c1', 'stranger'), create('c2', ['ghost'], { createUsers: false })],
      ]);
      await all(store, settings('c1', 'Plans'));
      expect((await feedOf(store, 3)).map(({ entry }) => entry.rev)).toEqual([0, 1, 2]);
    },

    async 'pages of the feed lose none and repeat none'(store) {
      await fill(store);
      const parts = await partsOf(store, 12 * 7);
      for (const [part, whole] of parts.entries()) {
        for (const limit of [1, 2, 7, 100]) {
          const paged: FeedRow[] = [];
          for (let page: FeedRow[] | undefined; page === undefined || page.length > 0; paged.push(...page)) {
            page = await store.feed(part, { after: paged.at(-1)?.id ?? 0, limit });
            expect(page.length).toBeLessThanOrEqual(limit);
          }
          expect(paged).toEqual(whole);
        }
      }
    },

    async 'what is read while commits go on skips nothing'(store) {
      const nodes = store.capabilities.multiProcess ? [store, await reopen!()] : [store];
      try {
        const cids = range(store.capabilities.lanes * nodes.length * 2).map((i) => `c${i}`);
        for (const cid of cids) await all(store, create(cid, ['ann']));
        const rounds = 60;
        const writers = nodes.flatMap((node, n) =>
          range(node.capabilities.lanes, 0).map((lane) => write(node, `${n}`, rounds, ofLane(cids, lane, node.capabilities.lanes))),
        );
        const count = cids.length * (1 + rounds * nodes.length);
        const read = await Promise.all([takeFeed(nodes.at(-1)!, count), ...writers]);
        for (const cid of cids) {
          expect(read[0].filter(({ entry }) => entry.cid === cid).map(({ entry }) => entry.rev)).toEqual(
            range(rounds * nodes.length + 1, 0),
          );
        }
      } finally {
        for (const node of nodes.slice(1)) await node.close();
      }
    },

    async 'the backlog is what is behind a place, and when its oldest row was written'(store) {
      await fill(store);
      for (const [part, rows] of (await partsOf(store, 12 * 7)).entries()) {
        for (const done of [0, 1, Math.floor(rows.length / 2), rows.length]) {
          const left = rows.slice(done);
          const after = done === 0 ? 0 : (rows[done - 1]?.id ?? 0);
          const oldest = left[0] === undefined ? {} : { oldestAt: left[0].at };
          for (const countMax of [1, 5, 1_000]) {
            expect(await store.backlog(part, { after, countMax })).toEqual({ rows: Math.min(left.length, countMax), ...oldest });
          }
        }
      }
    },

    async 'beyond the end there is nothing'(store) {
      await group(store, 3);
      await feedOf(store, 4);
      for (const part of range(store.parts, 0)) {
        expect(await store.feed(part, { after: Number.MAX_SAFE_INTEGER, limit: 10 })).toEqual([]);
        expect(await store.backlog(part, { after: Number.MAX_SAFE_INTEGER, countMax: 10 })).toEqual({ rows: 0 });
      }
    },

    async 'a message in the feed is as one in the history'(store) {
      await group(store);
      await all(
        store,
        send('c1', 'm1', 'ann', { mentions: ['bob'] }),
        send('c1', 'm2', 'bob', { replyTo: 1, body: '{"text":"你好 👋 \\u0000"}' }),
      );
      const messages = (await feedOf(store, 3)).flatMap(({ entry }) => (entry.op === 'message' ? [entry.message] : []));
      expect(messages).toEqual(await store.messages('c1', { limit: 10 }));
    },

    async 'a cursor begins at 0, goes on, and never back; each consumer and part has its own'(store) {
      const last = store.parts - 1;
      const lease = 'relay/bus';
      expect(await store.acquireLease(lease, 'n1', HOUR_MS)).toBe(true);
      expect(await store.cursor('bus', last)).toBe(0);
      for (const [id, kept] of [
        ...[
          [7, 7],
          [7, 7],
          [6, 7],
          [0, 7],
        ],
        ...[
          [9, 9],
          [2 ** 40, 2 ** 40],
          [9, 2 ** 40],
        ],
      ] as const) {
        expect(await store.saveCursor('bus', last, { id: id!, lease, holder: 'n1' })).toBe(true);
        expect(await store.cursor('bus', last)).toBe(kept);
      }
      expect(await store.cursor('push', last)).toBe(0);
      if (last > 0) expect(await store.cursor('bus', 0)).toBe(0);
      expect(await store.saveCursor('push', last, { id: 3, lease, holder: 'n1' })).toBe(true);
      expect([await store.cursor('bus', last), await store.cursor('push', last)]).toEqual([2 ** 40, 3]);
    },

    async 'a cursor is saved only by the holder of the lease'(store) {
      const save = (id: number, holder: string, lease = 'l1') => store.saveCursor('bus', 0, { id, lease, holder });
      expect(await save(1, 'n1')).toBe(false);
      expect(await store.acquireLease('l1', 'n1', HOUR_MS)).toBe(true);
      expect([await save(2, 'n2'), await save(3, 'n1', 'l2')]).toEqual([false, false]);
      expect(await store.cursor('bus', 0)).toBe(0);
      expect(await save(4, 'n1')).toBe(true);
      await store.releaseLease('l1', 'n1');
      expect(await save(5, 'n1')).toBe(false);
      expect(await store.acquireLease('l1', 'n2', HOUR_MS)).toBe(true);
      expect([await save(6, 'n1'), await store.cursor('bus', 0)]).toEqual([false, 4]);
      expect([await save(7, 'n2'), await store.cursor('bus', 0)]).toEqual([true, 7]);
    },
  };
}

const HOUR_MS = 3_600_000;

/** Twelve conversations with seven log rows each, their commands mixed. */
async function fill(store: Store): Promise<void> {
  const cids = range(12).map((i) => `c${i}`);
  const batch = (command: (cid: string, i: number) => Parameters<typeof one>[1]) =>
    all(store, ...cids.map((cid, i) => command(cid, i + 1)));
  await batch((cid, i) => create(cid, ['ann', 'bob'], { title: 'Plans', at: T0 + i }));
  await batch((cid, i) => send(cid, 'm1', 'ann', { at: T0 + i }));
  await batch((cid) => add(cid, ['cid', 'dan'], { role: 'admin' }));
  await batch((cid) => send(cid, 'm2', 'bob', { replyTo: 1, mentions: ['ann'] }));
  await batch((cid) => settings(cid, `Plans of ${cid}`));
  await batch((cid) => remove(cid, 'bob'));
  await batch((cid, i) => send(cid, 'm3', 'dan', { at: T0 + 100 - i }));
}

function ofLane(cids: readonly string[], lane: number, lanes: number): string[] {
  return cids.filter((_, i) => i % lanes === lane);
}

/** As a lane does: one batch after the other, of sizes that change, each conversation of it in every batch. */
async function write(store: Store, prefix: string, rounds: number, cids: readonly string[]): Promise<void> {
  for (let sent = 0, size = 1; sent < rounds; sent += size) {
    size = Math.min(rounds - sent, 1 + (sent % 5));
    await all(store, ...range(size, sent).flatMap((i) => cids.map((cid) => send(cid, `${prefix} ${i}`, 'ann'))));
  }
}
