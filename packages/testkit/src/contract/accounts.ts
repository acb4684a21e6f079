import type { Store } from '@gapless/core';
import { expect } from 'vitest';
import { all, create, T0 } from './commands.ts';
import type { Cases } from './contract.ts';

const account = (uid: string) => ({ uid, displayName: `${uid} by name`, passwordHash: `hash of ${uid}`, at: T0 });

export const accountCases: Cases<Store> = {
  async 'a user is made once: the first name and time win'(store) {
    const ann = { uid: 'ann', displayName: 'Ann', createdAt: T0 };
    expect(await store.ensureUser({ uid: 'ann', displayName: 'Ann', at: T0 })).toEqual(ann);
    expect(await store.ensureUser({ uid: 'ann', displayName: 'Anna', at: T0 + 1 })).toEqual(ann);
    expect(await store.ensureUser({ uid: 'ann', at: T0 + 2 })).toEqual(ann);
    expect(await store.users(['ann'])).toEqual([ann]);
  },

  async 'a user without a name is called by the uid'(store) {
    expect(await store.ensureUser({ uid: 'u-17', at: T0 })).toEqual({ uid: 'u-17', displayName: 'u-17', createdAt: T0 });
  },

  async 'users that another system names may differ in case only'(store) {
    await store.ensureUser({ uid: 'ann', displayName: 'small', at: T0 });
    await store.ensureUser({ uid: 'Ann', displayName: 'large', at: T0 });
    expect((await store.users(['Ann', 'ann', 'ANN'])).map(({ displayName }) => displayName)).toEqual(['large', 'small']);
  },

  async 'users are those that exist, in the order asked'(store) {
    for (const uid of ['ann', 'bob', 'cid']) await store.ensureUser({ uid, at: T0 });
    expect((await store.users(['cid', 'ghost', 'ann'])).map(({ uid }) => uid)).toEqual(['cid', 'ann']);
    expect(await store.users([])).toEqual([]);
  },

  async 'an account is a user with a password'(store) {
    expect(await store.createAccount(account('Ann'))).toBe(true);
    expect(await store.users(['Ann'])).toEqual([{ uid: 'Ann', displayName: 'Ann by name', createdAt: T0 }]);
    expect(await store.credentials('Ann')).toEqual({ uid: 'Ann', passwordHash: 'hash of Ann' });
  },

  async 'an account name is taken in any case of letters'(store) {
    await store.createAccount(account('Ann'));
    for (const uid of ['Ann', 'ann', 'ANN', 'aNN']) expect(await store.createAccount(account(uid))).toBe(false);
    expect(await store.users(['Ann', 'ann', 'ANN'])).toHaveLength(1);
    expect(await store.credentials('ann')).toEqual({ uid: 'Ann', passwordHash: 'hash of Ann' });
  },

  async 'the name of a user without a password is taken too'(store) {
    await store.ensureUser({ uid: 'Ann', at: T0 });
    await all(store, create('c1', ['Bob']));
    for (const uid of ['Ann', 'ann', 'bob']) expect(await store.createAccount(account(uid))).toBe(false);
    for (const uid of ['Ann', 'ann', 'bob']) expect(await store.credentials(uid)).toBeUndefined();
  },

  async 'credentials are found in any case of letters'(store) {
    await store.createAccount(account('Ann.Lee_9'));
    for (const uid of ['Ann.Lee_9', 'ann.lee_9', 'ANN.LEE_9'])
      expect(await store.credentials(uid)).toEqual({ uid: 'Ann.Lee_9', passwordHash: 'hash of Ann.Lee_9' });
    for (const uid of ['ann', 'Ann.Lee_99', '', '%']) expect(await store.credentials(uid)).toBeUndefined();
  },

  async 'a user of another case beside an account does not hide it'(store) {
    await store.createAccount(account('ann'));
    await store.ensureUser({ uid: 'ANN', at: T0 });
    await store.ensureUser({ uid: 'Ann', at: T0 });
    for (const uid of ['ann', 'ANN', 'Ann']) expect(await store.credentials(uid)).toMatchObject({ uid: 'ann' });
  },

  async 'ensuring a user with an account leaves the account as it is'(store) {
    await store.createAccount(account('ann'));
    expect(await store.ensureUser({ uid: 'ann', displayName: 'other', at: T0 + 1 })).toMatchObject({ displayName: 'ann by name' });
    expect(await store.credentials('ann')).toMatchObject({ passwordHash: 'hash of ann' });
  },
};
