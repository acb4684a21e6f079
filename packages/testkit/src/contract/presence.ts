import { expect } from 'vitest';
import { type Cases, contract, type Skip } from './contract.ts';
import { listed, type PresenceCluster, passed, toldBy, watchAll } from './presence-cluster.ts';
import { presenceFaultCases } from './presence-faults.ts';

export type { PresenceCluster, PresenceFaults } from './presence-cluster.ts';

/** What every Presence must do. `open` gives a fresh cluster for each test, with a short grace and a long lease. A reason instead skips everything. */
export function presenceContract(name: string, open: Open, skip: readonly Skip[] = []): void {
  run(`Presence / ${name}`, open, { ...nodeCases, ...clusterCases }, skip);
}

/** What one of several nodes must do when another dies, or what they share does. `open` gives two nodes with faults, and a short lease. */
export function presenceFaultContract(name: string, open: Open): void {
  run(`Presence with faults / ${name}`, open, presenceFaultCases);
}

/** For a Presence of one process. */
export function skipCluster(reason: string): Skip[] {
  return skipAll(clusterCases, reason);
}

type Open = (() => Promise<PresenceCluster>) | string;

function run(name: string, open: Open, cases: Cases<PresenceCluster>, skip: readonly Skip[] = []): void {
  if (typeof open !== 'string') return contract(name, open, skip, cases);
  const never = () => Promise.reject(new Error('skipped'));
  contract(name, never, skipAll(cases, open), cases);
}

function skipAll(cases: Cases<PresenceCluster>, reason: string): Skip[] {
  return Object.keys(cases).map((test) => ({ test, reason }));
}

const nodeCases: Cases<PresenceCluster> = {
  async 'the first connection makes a user online, and that is told once'(cluster) {
    const { one, watchers } = start(cluster);
    one.touch('ann', 'phone');
    await toldBy(watchers, 'ann', '+');
    one.touch('ann', 'laptop');
    one.touch('ann', 'phone');
    await passed(one, watchers);
    await toldBy(watchers, 'ann', '+');
  },

  async 'the end of the last connection makes a user offline after the grace, with the time of the end'(cluster) {
    const { one, watchers } = start(cluster);
    const before = Date.now();
    for (const conn of ['phone', 'laptop']) one.touch('ann', conn);
    await toldBy(watchers, 'ann', '+');
    one.leave('ann', 'phone');
    await passed(one, watchers);
    await toldBy(watchers, 'ann', '+');
    const left = Date.now();
    one.leave('ann', 'laptop');
    await toldBy(watchers, 'ann', '+-');
    for (const watcher of watchers) {
      const at = watcher.lastSeen('ann')!;
      expect(at).toBeGreaterThanOrEqual(before);
      expect(at).toBeGreaterThanOrEqual(left - 1);
      expect(at).toBeLessThanOrEqual(Date.now());
      expect(await one.list(['ann'])).toEqual([{ uid: 'ann', online: false, lastSeen: at }]);
    }
  },

  async 'who comes again within the grace was never away'(cluster) {
    const { one, watchers } = start(cluster);
    one.touch('ann', 'page');
    await toldBy(watchers, 'ann', '+');
    one.leave('ann', 'page');
    one.touch('ann', 'page reloaded');
    await passed(one, watchers);
    await toldBy(watchers, 'ann', '+');
    expect(await one.list(['ann'])).toEqual([{ uid: 'ann', online: true }]);
  },

  async 'who comes and goes at once was there'(cluster) {
    const { one, watchers } = start(cluster);
    one.touch('ann', 'phone');
    one.leave('ann', 'phone');
    await toldBy(watchers, 'ann', '+-');
  },

  async 'coming back after the grace is a change again'(cluster) {
    const { one, watchers } = start(cluster);
    for (const changes of ['+-', '+-+-', '+-+-+-']) {
      one.touch('ann', 'phone');
      await toldBy(watchers, 'ann', changes.slice(0, -1));
      one.leave('ann', 'phone');
      await toldBy(watchers, 'ann', changes);
    }
  },

  async 'list answers in the order asked, for users who are here, were here, and never were'(cluster) {
    const { one, watchers } = start(cluster);
    one.touch('gone', 'c');
    one.leave('gone', 'c');
    await toldBy(watchers, 'gone', '+-');
    one.touch('ann', 'c');
    expect(await one.list(['nobody', 'ann', 'gone', 'ann'])).toEqual([
      { uid: 'nobody', online: false },
      { uid: 'ann', online: true },
      { uid: 'gone', online: false, lastSeen: watchers[0]!.lastSeen('gone') },
      { uid: 'ann', online: true },
    ]);
    expect(await one.list([])).toEqual([]);
  },

  async 'hundreds of users in one call, and in one list'(cluster) {
    const { one, watchers } = start(cluster);
    const uids = Array.from({ length: 1_200 }, (_, i) => `user ${i}`);
    for (const uid of uids) one.touch(uid, 'c');
    await Promise.all(uids.map((uid) => toldBy(watchers, uid, '+')));
    const asked = uids.slice(0, 500);
    expect(await cluster.nodes.at(-1)!.list(asked)).toEqual(asked.map((uid) => ({ uid, online: true })));
    for (const uid of uids) one.leave(uid, 'c');
    await Promise.all(uids.map((uid) => toldBy(watchers, uid, '+-')));
  },

  async 'a user id is any text'(cluster) {
    const { one, watchers } = start(cluster);
    for (const uid of [' ', 'a b', 'a  b', ' a', '*', '{x}', '0', '-1', 'nil', '"', '\\', '\n', '房间 👋', '__proto__', 'x'.repeat(64)]) {
      one.touch(uid, 'c');
      await toldBy(watchers, uid, '+');
      expect(await one.list([uid])).toEqual([{ uid, online: true }]);
      one.leave(uid, 'c');
      await toldBy(watchers, uid, '+-');
    }
  },

  async 'the end of a connection that is not there is nothing'(cluster) {
    const { one, watchers } = start(cluster);
    one.touch('ann', 'phone');
    one.leave('ann', 'other');
    one.leave('bob', 'phone');
    await passed(one, watchers);
    await toldBy(watchers, 'ann', '+');
    await toldBy(watchers, 'bob', '');
    one.leave('ann', 'phone');
    one.leave('ann', 'phone');
    await passed(one, watchers);
    await toldBy(watchers, 'ann', '+-');
  },

  async 'who stopped listening is not called again, and the others are'(cluster) {
    const { one, watchers } = start(cluster);
    const gone: string[] = [];
    const stop = one.onChange(({ uid }) => gone.push(uid));
    one.touch('ann', 'c');
    await toldBy(watchers, 'ann', '+');
    stop();
    stop();
    one.touch('bob', 'c');
    await passed(one, watchers);
    expect(gone).toEqual(['ann']);
    await toldBy(watchers, 'bob', '+');
  },

  async 'after close nothing is told, and asking is harmless'(cluster) {
    const { one, watchers } = start(cluster);
    one.touch('ann', 'c');
    await toldBy(watchers, 'ann', '+');
    await one.close();
    await one.close();
    one.touch('bob', 'c');
    one.leave('ann', 'c');
    expect(watchers[0]!.told).toHaveLength(1);
    expect(await one.list(['bob'])).toMatchObject([{ uid: 'bob' }]);
  },
};

const clusterCases: Cases<PresenceCluster> = {
  async 'every node knows who is on another'(cluster) {
    const { one, two, watchers } = start(cluster);
    one.touch('ann', 'c');
    await toldBy(watchers, 'ann', '+');
    expect(await two.list(['ann'])).toEqual([{ uid: 'ann', online: true }]);
    one.leave('ann', 'c');
    await toldBy(watchers, 'ann', '+-');
    expect(await two.list(['ann'])).toEqual(await one.list(['ann']));
  },

  async 'a user on two nodes is one user: offline when both are left'(cluster) {
    const { one, two, watchers } = start(cluster);
    one.touch('ann', 'phone');
    two.touch('ann', 'laptop');
    await passed(two, watchers);
    await toldBy(watchers, 'ann', '+');
    one.leave('ann', 'phone');
    await passed(one, watchers);
    expect(await one.list(['ann'])).toEqual([{ uid: 'ann', online: true }]);
    two.leave('ann', 'laptop');
    await toldBy(watchers, 'ann', '+-');
  },

  async 'who comes again on another node within the grace was never away'(cluster) {
    const { one, two, watchers } = start(cluster);
    one.touch('ann', 'page');
    await toldBy(watchers, 'ann', '+');
    two.touch('ann', 'page reloaded');
    one.leave('ann', 'page');
    await passed(one, watchers);
    await passed(two, watchers);
    await toldBy(watchers, 'ann', '+');
  },

  async 'a node that closes leaves for its users, and others tell it'(cluster) {
    const { one, two, watchers } = start(cluster);
    one.touch('ann', 'phone');
    one.touch('bob', 'phone');
    two.touch('bob', 'laptop');
    await toldBy(watchers, 'ann', '+');
    await passed(two, watchers);
    await one.close();
    const rest = watchers.slice(1);
    await toldBy(rest, 'ann', '+-');
    await passed(two, rest);
    await toldBy(rest, 'bob', '+');
    expect(await listed(two, 'ann', false)).toHaveProperty('lastSeen');
  },
};

function start(cluster: PresenceCluster) {
  return { one: cluster.nodes[0]!, two: cluster.nodes.at(-1)!, watchers: watchAll(cluster) };
}
