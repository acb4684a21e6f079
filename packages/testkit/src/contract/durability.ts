import type { Store } from '@gapless/core';
import { expect } from 'vitest';
import { add, all, beginEpoch, create, delivered, dm, one, open, place, range, read, save, send, settings, T0 } from './commands.ts';
import type { Cases } from './contract.ts';
import { feedOf } from './feed-reader.ts';

/** Cases of a store that outlives its process. */
export function durabilityCases(reopen: (() => Promise<Store>) | undefined): Cases<Store> {
  return {
    async 'reopening keeps everything'(store) {
      await fill(store);
      const before = await everything(store);
      await store.close();
      const again = await reopen!();
      try {
        expect(await everything(again)).toEqual(before);
        expect(place(await one(again, send('c1', 'm3', 'ann')))).toEqual({ seq: 3, rev: 3, dup: true });
        expect(await one(again, send('c1', 'm3', 'bob'))).toMatchObject({ ok: false, code: 'mid_conflict' });
        expect(await one(again, dm('d2', 'bob', 'ann'))).toMatchObject({ cid: 'd1', created: false });
        expect(await one(again, send('c2', 'm2', 'ann'))).toEqual({ ok: false, code: 'accepting' });
        expect(place(await one(again, send('c1', 'next', 'ann')))).toEqual({ seq: 101, rev: 103, dup: false });
        expect(await again.rotateSession({ refreshHash: 't0', nextHash: 't9', at: T0, expiresAt: T0 + 9 })).toMatchObject({
          result: 'reused',
        });
      } finally {
        await again.close();
      }
    },

    async 'after close everything is refused, and closing again is nothing'(store) {
      await all(store, create('c1', ['ann']));
      await store.close();
      await store.close();
      await expect(store.commit([send('c1', 'm1', 'ann')])).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(store.conversation('c1')).rejects.toMatchObject({ code: 'store_unavailable' });
    },
  };
}

async function fill(store: Store): Promise<void> {
  await all(store, create('c1', ['ann', 'bob'], { title: 'Plans' }), dm('d1', 'ann', 'bob'));
  await all(store, ...range(100).map((i) => send('c1', `m${i}`, 'ann', { at: T0 + i })), read('c1', 'bob', 40));
  await all(store, add('c1', ['cid']), settings('c1', 'Other plans'), delivered('c1', 'cid', 'phone', 7));
  await store.createAccount({ uid: 'Dan', displayName: 'Dan', passwordHash: 'hash', at: T0 });
  const session = { uid: 'Dan', label: 'phone', createdAt: T0, lastSeenAt: T0, expiresAt: T0 + 1_000, liveMax: 100 };
  await store.createSession({ ...session, sid: 's1', refreshHash: 't0' });
  await store.rotateSession({ refreshHash: 't0', nextHash: 't1', at: T0, expiresAt: T0 + 1_000 });
  await store.createSession({ ...session, sid: 's2', refreshHash: 'u0' });
  await store.revokeSession('s2', T0 + 1);
  await beginEpoch(store, 5);
  await all(store, create('c2', ['ann']), open('c2', 5), save(send('c2', 'm1', 'ann'), 5, 1));
  await store.rescue([{ epoch: 5, seq: 2, rev: 2, node: 'n1', send: send('c2', 'm2', 'ann') }]);
  await store.seenAccepting({ node: 'n1', epoch: 5, handedIn: true, leaseMs: 3_600_000 });
  await store.acquireLease('l1', 'n1', 3_600_000);
  await store.saveCursor('bus', 0, { id: 7, lease: 'l1', holder: 'n1' });
}

async function everything(store: Store): Promise<unknown> {
  return {
    conversation: await store.conversation('c1'),
    messages: await store.messages('c1', { after: 0, limit: 1_000 }),
    changes: await store.changes('c1', { after: 0, limit: 1_000 }),
    participants: await store.participants('c1'),
    positions: await store.positions('c1'),
    lists: await Promise.all(['ann', 'bob', 'cid'].map((uid) => store.conversationsOf(uid, { limit: 10 }))),
    users: await store.users(['ann', 'bob', 'cid', 'Dan']),
    credentials: await store.credentials('dan'),
    revoked: await store.revokedSessions(0),
    sessions: await store.sessionsOf('Dan', { at: T0 + 1, limit: 10 }),
    accepting: {
      state: await store.acceptState(),
      open: await store.openConversations(5, { after: '', limit: 10 }),
      rescued: await store.rescued(5, ['c2']),
      nodes: await store.acceptNodes(5),
    },
    feed: await feedOf(store, 106),
    cursor: await store.cursor('bus', 0),
    lease: await store.acquireLease('l1', 'n2', 1),
  };
}
