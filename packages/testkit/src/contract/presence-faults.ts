import { expect } from 'vitest';
import type { Cases } from './contract.ts';
import { heartbeat, listed, type PresenceCluster, passed, toldBy, watchAll } from './presence-cluster.ts';

/** What a cluster must do when a node dies, or what the nodes share does. Node 0 is the one that things happen to. */
export const presenceFaultCases: Cases<PresenceCluster> = {
  async 'the users of a node that died go offline once, and those who are elsewhere too stay'(cluster) {
    const { one, two, watchers, faults, beat } = start(cluster);
    const stop = beat(two, { bob: 'laptop' });
    one.touch('ann', 'phone');
    one.touch('bob', 'phone');
    const before = Date.now();
    await Promise.all([toldBy(watchers, 'ann', '+'), toldBy(watchers, 'bob', '+')]);
    faults.cut(0);
    const rest = watchers.slice(1);
    await toldBy(rest, 'ann', '+-');
    await passed(two, rest);
    await toldBy(rest, 'ann', '+-');
    await toldBy(rest, 'bob', '+');
    expect(rest[0]!.lastSeen('ann')).toBeLessThanOrEqual(before + faults.leaseMs);
    expect(await two.list(['bob'])).toEqual([{ uid: 'bob', online: true }]);
    stop();
  },

  async 'touches keep a lease: others end meanwhile'(cluster) {
    const { one, two, watchers, beat } = start(cluster);
    const stop = beat(one, { ann: 'phone' });
    for (const uid of ['untouched 1', 'untouched 2']) {
      two.touch(uid, 'c');
      await toldBy(watchers, uid, '+-');
    }
    await toldBy(watchers, 'ann', '+');
    stop();
    await toldBy(watchers, 'ann', '+-');
  },

  async 'a node that was away for longer than its lease has its users online again, told once'(cluster) {
    const { one, two, watchers, faults, beat } = start(cluster);
    const stop = beat(one, { ann: 'phone' });
    await toldBy(watchers, 'ann', '+');
    faults.cut(0);
    const rest = watchers.slice(1);
    await toldBy(rest, 'ann', '+-');
    expect(await one.list(['ann'])).toEqual([{ uid: 'ann', online: true }]);
    faults.mend(0);
    await toldBy(rest, 'ann', '+-+');
    await passed(two, rest);
    await toldBy(rest, 'ann', '+-+');
    stop();
  },

  async 'a node that was cut off hears afterwards what was told meanwhile, in order and once'(cluster) {
    const { two, watchers, faults, beat } = start(cluster);
    two.touch('ann', 'phone');
    await toldBy(watchers, 'ann', '+');
    faults.cut(0);
    two.leave('ann', 'phone');
    const stop = beat(two, { bob: 'phone' });
    const rest = watchers.slice(1);
    await toldBy(rest, 'ann', '+-');
    await toldBy(rest, 'bob', '+');
    faults.mend(0);
    await toldBy(watchers, 'bob', '+');
    await toldBy(watchers, 'ann', '+-');
    await passed(two, watchers);
    await toldBy(watchers, 'ann', '+-');
    stop();
  },

  async 'a late end of a connection whose lease is over is not told again'(cluster) {
    const { one, two, watchers, faults } = start(cluster);
    one.touch('ann', 'phone');
    await toldBy(watchers, 'ann', '+');
    faults.cut(0);
    const rest = watchers.slice(1);
    await toldBy(rest, 'ann', '+-');
    one.leave('ann', 'phone');
    one.touch('bob', 'phone');
    faults.mend(0);
    await toldBy(rest, 'bob', '+');
    await passed(two, rest);
    await toldBy(rest, 'ann', '+-');
  },

  async 'data that was lost is written again, and nobody is told who was online all the time'(cluster) {
    const { one, two, watchers, faults, beat } = start(cluster);
    const stops = [beat(one, { ann: 'phone', bob: 'phone' }), beat(two, { bob: 'laptop', cid: 'laptop' })];
    for (const uid of ['ann', 'bob', 'cid']) await toldBy(watchers, uid, '+');
    await faults.down();
    await faults.up();
    for (const uid of ['ann', 'bob', 'cid']) for (const node of [one, two]) await listed(node, uid, true);
    await comeAndGo(cluster);
    for (const uid of ['ann', 'bob', 'cid']) await toldBy(watchers, uid, '+');
    for (const stop of stops) stop();
    two.leave('cid', 'laptop');
    await toldBy(watchers, 'cid', '+-');
  },

  async 'while it is away a node knows its own users, and tells later who came and who went'(cluster) {
    const { one, two, watchers, faults, beat } = start(cluster);
    const stops = [beat(one, { ann: 'phone' }), beat(two, { bob: 'laptop' })];
    for (const uid of ['ann', 'bob']) await toldBy(watchers, uid, '+');
    await faults.down();
    one.leave('ann', 'phone');
    stops[0]!();
    one.touch('cid', 'phone');
    expect(await one.list(['ann', 'bob', 'cid'])).toEqual([
      { uid: 'ann', online: false },
      { uid: 'bob', online: false },
      { uid: 'cid', online: true },
    ]);
    expect(await two.list(['bob'])).toEqual([{ uid: 'bob', online: true }]);
    await faults.up();
    for (const node of [one, two]) {
      await listed(node, 'cid', true);
      await listed(node, 'bob', true);
    }
    await toldBy([watchers[0]!], 'ann', '+-');
    await toldBy([watchers[0]!], 'cid', '+');
    stops[1]!();
  },

  async 'where nothing answers, list answers what the node knows, and all is well afterwards'(cluster) {
    const { one, two, watchers, faults, beat } = start(cluster);
    const stops = [beat(one, { ann: 'phone' }), beat(two, { bob: 'laptop' })];
    for (const uid of ['ann', 'bob']) await toldBy(watchers, uid, '+');
    faults.hang();
    expect(await listed(one, 'bob', false)).toEqual({ uid: 'bob', online: false });
    expect(await one.list(['ann'])).toEqual([{ uid: 'ann', online: true }]);
    faults.wake();
    await listed(one, 'bob', true);
    await comeAndGo(cluster);
    for (const uid of ['ann', 'bob']) await toldBy(watchers, uid, '+');
    for (const stop of stops) stop();
  },
};

function start(cluster: PresenceCluster) {
  const faults = cluster.faults!;
  return {
    one: cluster.nodes[0]!,
    two: cluster.nodes.at(-1)!,
    watchers: watchAll(cluster),
    faults,
    beat: (node: PresenceCluster['nodes'][number], users: Record<string, string>) => heartbeat(node, faults.leaseMs, users),
  };
}

/** After an outage: a user comes and goes by the first node, and the nodes hear it. That leases may end again is over then. */
async function comeAndGo({ nodes }: PresenceCluster): Promise<void> {
  const [one] = nodes;
  one!.touch('sentinel', 'c');
  for (const node of nodes) await listed(node, 'sentinel', true);
  one!.leave('sentinel', 'c');
  for (const node of nodes) await listed(node, 'sentinel', false);
}
