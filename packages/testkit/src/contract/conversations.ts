import type { Command, Store } from '@gapless/core';
import { expect } from 'vitest';
import { add, all, create, dm, group, one, remove, send, settings, T0 } from './commands.ts';
import type { Cases } from './contract.ts';

const uidsOf = async (store: Store, cid: string) => (await store.participants(cid)).map(({ uid }) => uid);

export const conversationCases: Cases<Store> = {
  async 'a created conversation is there with its participants, and its entry has rev 0'(store) {
    expect(await one(store, create('c1', ['ann', 'bob'], { title: 'Plans', at: T0 + 7 }))).toEqual({
      ok: true,
      op: 'create',
      cid: 'c1',
      created: true,
      entry: {
        op: 'change',
        cid: 'c1',
        rev: 0,
        by: 'ann',
        at: T0 + 7,
        detail: { op: 'created', kind: 'group', title: 'Plans', users: ['ann', 'bob'] },
      },
    });
    const counts = { head: 0, rev: 0, membersRev: 0, participantCount: 2 };
    expect(await store.conversation('c1')).toEqual({
      cid: 'c1',
      kind: 'group',
      title: 'Plans',
      createdAt: T0 + 7,
      updatedAt: T0 + 7,
      ...counts,
    });
    expect(await store.participants('c1')).toEqual([
      { uid: 'ann', role: 'owner', joinedAt: T0 + 7, lastRead: 0, displayName: 'ann' },
      { uid: 'bob', role: 'member', joinedAt: T0 + 7, lastRead: 0, displayName: 'bob' },
    ]);
    expect(await store.changes('c1', { after: 0, limit: 10 })).toEqual([]);
  },

  async 'without a title there is none'(store) {
    const outcome = await one(store, create('c1', ['ann']));
    expect(await store.conversation('c1')).not.toHaveProperty('title');
    expect(outcome).not.toHaveProperty('entry.detail.title');
  },

  async 'two users have one dm, whoever asks first and in whatever order'(store) {
    const outcomes = await store.commit([dm('d1', 'ann', 'bob'), dm('d2', 'bob', 'ann'), dm('d3', 'ann', 'bob'), dm('d4', 'ann', 'cid')]);
    expect(outcomes[1]).toEqual({ ok: true, op: 'create', cid: 'd1', created: false });
    expect(outcomes[2]).toEqual({ ok: true, op: 'create', cid: 'd1', created: false });
    expect(outcomes[3]).toMatchObject({ cid: 'd4', created: true });
    expect(await one(store, dm('d5', 'cid', 'ann', { createUsers: false }))).toEqual({ ok: true, op: 'create', cid: 'd4', created: false });
    for (const cid of ['d2', 'd3', 'd5']) expect(await store.conversation(cid)).toBeUndefined();
  },

  async 'groups of the same two users are as many as were made'(store) {
    await all(store, create('c1', ['ann', 'bob']), create('c2', ['ann', 'bob']), dm('d1', 'ann', 'bob'));
    expect(await store.conversationsOf('ann', { limit: 10 })).toHaveLength(3);
  },

  async 'creating with an unknown user fails, names the user, and creates none of the others'(store) {
    await store.ensureUser({ uid: 'ann', at: T0 });
    const outcome = await one(store, create('c1', ['ann', 'ghost', 'wraith'], { createUsers: false }));
    expect(outcome).toMatchObject({ ok: false, code: 'unknown_user', say: expect.stringContaining('ghost') });
    expect(await store.conversation('c1')).toBeUndefined();
    expect((await store.users(['ann', 'ghost', 'wraith'])).map(({ uid }) => uid)).toEqual(['ann']);
    expect(await one(store, dm('d1', 'ann', 'ghost', { createUsers: false }))).toMatchObject({ ok: false, code: 'unknown_user' });
    expect(await one(store, dm('d2', 'ann', 'ghost'))).toMatchObject({ cid: 'd2', created: true });
  },

  async 'a failed creation leaves its cid free'(store) {
    await one(store, create('c1', ['ghost'], { createUsers: false }));
    expect(await one(store, create('c1', ['ann']))).toMatchObject({ ok: true, cid: 'c1', created: true });
  },

  async 'creating users keeps the name of those who exist'(store) {
    await store.ensureUser({ uid: 'ann', displayName: 'Ann Lee', at: T0 });
    await all(store, create('c1', ['ann', 'bob'], { at: T0 + 1 }));
    expect(await store.users(['ann', 'bob'])).toEqual([
      { uid: 'ann', displayName: 'Ann Lee', createdAt: T0 },
      { uid: 'bob', displayName: 'bob', createdAt: T0 + 1 },
    ]);
  },

  async 'adding writes one log row, with only who is new'(store) {
    await group(store);
    expect(await one(store, add('c1', ['bob', 'dan', 'eve', 'dan'], { at: T0 + 1, role: 'admin' }))).toEqual({
      ok: true,
      op: 'add',
      entry: {
        op: 'change',
        cid: 'c1',
        rev: 1,
        by: 'ann',
        at: T0 + 1,
        detail: { op: 'participants_added', users: ['dan', 'eve'], role: 'admin' },
      },
    });
    expect(await uidsOf(store, 'c1')).toEqual(['ann', 'bob', 'cid', 'dan', 'eve']);
    expect((await store.heads('bob', ['c1']))[0]?.role).toBe('member');
    expect(await store.conversation('c1')).toMatchObject({ participantCount: 5, rev: 1, head: 0 });
  },

  async 'adding who is there is nothing'(store) {
    await group(store);
    expect(await one(store, add('c1', ['bob', 'cid']))).toEqual({ ok: true, op: 'add' });
    expect(await store.conversation('c1')).toMatchObject({ rev: 0, participantCount: 3 });
  },

  async 'adding an unknown user adds nobody'(store) {
    await group(store);
    await store.ensureUser({ uid: 'dan', at: T0 });
    const outcome = await one(store, add('c1', ['dan', 'ghost'], { createUsers: false }));
    expect(outcome).toMatchObject({ ok: false, code: 'unknown_user', say: expect.stringContaining('ghost') });
    expect(await uidsOf(store, 'c1')).toEqual(['ann', 'bob', 'cid']);
    expect(await store.conversation('c1')).toMatchObject({ rev: 0, participantCount: 3 });
  },

  async 'removing writes one log row; removing who is not there is nothing'(store) {
    await group(store);
    const detail = { op: 'participants_removed', users: ['bob'] };
    expect(await one(store, remove('c1', 'bob'))).toEqual({
      ok: true,
      op: 'remove',
      entry: { op: 'change', cid: 'c1', rev: 1, by: 'ann', at: T0, detail },
    });
    expect(await one(store, remove('c1', 'bob'))).toEqual({ ok: true, op: 'remove' });
    expect(await one(store, remove('c1', 'stranger'))).toEqual({ ok: true, op: 'remove' });
    expect(await uidsOf(store, 'c1')).toEqual(['ann', 'cid']);
    expect(await store.heads('bob', ['c1'])).toEqual([undefined]);
    expect(await store.conversation('c1')).toMatchObject({ rev: 1, participantCount: 2 });
  },

  async 'who was removed can be added again, with the new role'(store) {
    await group(store);
    await all(store, remove('c1', 'ann'), add('c1', ['ann'], { at: T0 + 9 }));
    expect((await store.participants('c1')).at(-1)).toMatchObject({ uid: 'ann', role: 'member', joinedAt: T0 + 9 });
    expect(await store.conversation('c1')).toMatchObject({ rev: 2, participantCount: 3 });
  },

  async 'a title is set once; setting what is set is nothing'(store) {
    await group(store);
    const entry = { op: 'change', cid: 'c1', rev: 1, by: 'ann', at: T0, detail: { op: 'settings', title: 'Plans' } };
    expect(await one(store, settings('c1', 'Plans'))).toEqual({ ok: true, op: 'settings', entry });
    expect(await one(store, settings('c1', 'Plans'))).toEqual({ ok: true, op: 'settings' });
    expect(await one(store, settings('c1', 'plans'))).toMatchObject({ ok: true, entry: { rev: 2 } });
    expect(await store.conversation('c1')).toMatchObject({ title: 'plans', rev: 2 });
  },

  async 'membersRev is the rev of the newest change of the participants'(store) {
    await group(store, 2);
    const after = async (command: Command): Promise<number> => {
      await all(store, command);
      return (await store.conversation('c1'))!.membersRev;
    };
    expect(await after(settings('c1', 'Plans'))).toBe(0);
    expect(await after(add('c1', ['dan']))).toBe(4);
    expect(await after(send('c1', 'm3', 'ann'))).toBe(4);
    expect(await after(add('c1', ['dan']))).toBe(4);
    expect(await after(remove('c1', 'stranger'))).toBe(4);
    expect(await after(remove('c1', 'dan'))).toBe(6);
    expect((await store.conversationView('ann', 'c1'))?.membersRev).toBe(6);
    expect((await store.conversationsOf('ann', { limit: 1 }))[0]?.membersRev).toBe(6);
    await all(store, add('c1', ['dan']), send('c1', 'm4', 'dan'), remove('c1', 'dan'), send('c1', 'm5', 'ann'));
    expect(await store.conversation('c1')).toMatchObject({ membersRev: 9, rev: 10 });
  },

  async 'a change by whose right has ended since is stale and does nothing'(store) {
    await group(store);
    await all(store, add('c1', ['dan'], { membersRev: 0 }), remove('c1', 'bob'));
    const before = await store.conversation('c1');
    for (const membersRev of [0, 1, 99]) {
      // bob was removed, and ann is owner: not what the caller had found.
      for (const rights of [
        { membersRev, by: 'bob' },
        { membersRev, by: 'nobody' },
        { membersRev, by: 'ann', callerRole: 'admin' as const },
      ]) {
        for (const command of [add('c1', ['eve'], rights), remove('c1', 'dan', rights), settings('c1', 'Plans', rights)]) {
          expect(await one(store, command)).toMatchObject({ ok: false, code: 'stale' });
        }
      }
    }
    expect(await store.conversation('c1')).toEqual(before);
    expect(await uidsOf(store, 'c1')).toEqual(['ann', 'cid', 'dan']);
    expect(await store.users(['eve'])).toEqual([]);
  },

  async 'a change by whose right has not ended goes on, however old it is'(store) {
    await group(store);
    await all(store, add('c1', ['dan']), remove('c1', 'bob'));
    expect(await one(store, settings('c1', 'Plans', { membersRev: 0, callerRole: 'owner' }))).toMatchObject({
      ok: true,
      entry: { rev: 3 },
    });
    expect(await one(store, remove('c1', 'dan', { membersRev: 1 }))).toMatchObject({ ok: true, entry: { rev: 4 } });
    expect(await one(store, add('c1', ['eve'], { membersRev: 99, callerRole: 'owner' }))).toMatchObject({ ok: true, entry: { rev: 5 } });
    expect(await one(store, add('c1', ['fay']))).toMatchObject({ ok: true, entry: { rev: 6 } });
  },

  async 'within a batch, rights end with the change of the participants'(store) {
    await group(store);
    const outcomes = await store.commit([
      send('c1', 'm1', 'bob', { membersRev: 0 }),
      remove('c1', 'bob', { membersRev: 0 }),
      send('c1', 'm2', 'bob', { membersRev: 0 }),
      send('c1', 'm3', 'ann', { membersRev: 0 }),
      remove('c1', 'bob', { membersRev: 2 }),
      send('c1', 'm4', 'ann', { membersRev: 2 }),
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.op : outcome.code))).toEqual([
      'send',
      'remove',
      'stale',
      'send',
      'remove',
      'send',
    ]);
    expect(await store.conversation('c1')).toMatchObject({ head: 3, rev: 4, membersRev: 2 });
  },

  async 'changes of no conversation are refused'(store) {
    for (const command of [add('nowhere', ['ann']), remove('nowhere', 'ann'), settings('nowhere', 'Plans', { membersRev: 3 })]) {
      expect(await one(store, command)).toMatchObject({ ok: false, code: 'not_participant' });
    }
  },

  async 'later commands of a batch see what earlier ones did'(store) {
    const outcomes = await store.commit([
      create('c1', ['ann']),
      add('c1', ['bob']),
      send('c1', 'm1', 'bob'),
      settings('c1', 'Plans'),
      remove('c1', 'bob'),
    ]);
    expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true, true, true, true]);
    expect(await store.conversation('c1')).toMatchObject({ head: 1, rev: 4, title: 'Plans', participantCount: 1 });
  },
};
