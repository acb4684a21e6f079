import { MemoryBus, openMemoryBroker } from '@gapless/adapters/broker/memory';
import { openMemoryStore } from '@gapless/adapters/store/memory';
import { ChatError, Directory } from '@gapless/core';
import { FakeClock, settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { type FakeClient, startGateway } from './harness.test-util.ts';

type Node = Awaited<ReturnType<typeof startGateway>>;
const send = (cid: string, mid: string, text = mid) => ({ t: 'send', cid, mid, kind: 'text', body: { text } });
async function joined(node: Node, uid: string, cid: string): Promise<FakeClient> {
  const client = await node.connect(uid);
  await client.send({ t: 'join', cid });
  return client;
}
/** A node's own line to the broker. */
function line(bus: MemoryBus) {
  const broker = openMemoryBroker({ bus });
  const watches: any[] = [];
  const state = { away: false, drop: (_p: string, _k: string) => false, broker: undefined as any, restored() { for (const w of watches) w.restored?.(); } };
  state.broker = {
    ...broker,
    async publish(topic: any, payload: string) {
      if (state.away) throw new Error('away');
      if (state.drop(payload, topic.kind)) return;
      return broker.publish(topic, payload);
    },
    subscribe: (topic: any, listener: any) => broker.subscribe(topic, (p: string) => { if (!state.away) listener(p); }),
    watch(w: any) { watches.push(w); return () => {}; },
  };
  return state;
}

test('R1 a node whose line comes back later than ours: what it saved in between is seen', async () => {
  const clock = new FakeClock(); const store = openMemoryStore(); const bus = new MemoryBus();
  const l0 = line(bus);
  const n0 = await startGateway({ clock, store, broker: l0.broker, node: 'n0' });
  await clock.advance(2_000);
  const n1 = await startGateway({ clock, store, broker: openMemoryBroker({ bus }), node: 'n1' });
  await clock.advance(2_000);
  const cid = await n0.group('ada', 'bo', 'cy');
  const [ada, bo] = [await joined(n0, 'ada', cid), await joined(n1, 'bo', cid)];
  const cy = await joined(n1, 'cy', cid);
  l0.away = true;
  await clock.advance(8_000); // n1: n0 is gone, sweeps
  await ada.send(send(cid, 'a'));
  await n0.chat.removeParticipant(n0.admin, cid, 'cy');
  l0.away = false; l0.restored();
  await clock.advance(20_000);
  await cy.send({ t: 'typing', cid, on: true });
  console.log('R1 typing of the removed reaches ada', ada.of('typing').length, 'cy errors', cy.of('error').length);
  expect(bo.seqs(cid)).toEqual([1]);
});

test('R2 unknown commit, other nodes', async () => {
  const clock = new FakeClock(); const store = openMemoryStore(); const bus = new MemoryBus();
  let unknown = false;
  const s0 = { ...store, commit: async (b: any) => { const r = await store.commit(b); if (unknown) throw new ChatError('store_unavailable'); return r; } } as typeof store;
  const n0 = await startGateway({ clock, store: s0, broker: openMemoryBroker({ bus }), node: 'n0' });
  const n1 = await startGateway({ clock, store, broker: openMemoryBroker({ bus }), node: 'n1' });
  await clock.advance(2_000);
  const cid = await n0.group('ada', 'bo');
  const [ada, bo] = [await joined(n0, 'ada', cid), await joined(n1, 'bo', cid)];
  unknown = true; await ada.send(send(cid, 'a')); unknown = false;
  await clock.advance(20_000);
  console.log('R2 ada', ada.seqs(cid), ada.of('error').map((e) => e.code));
  expect(bo.seqs(cid)).toEqual([1]);
});

test('R3 conversation notice on a node that did not load it', async () => {
  const clock = new FakeClock(); const store = openMemoryStore(); const bus = new MemoryBus();
  const n0 = await startGateway({ clock, store, broker: openMemoryBroker({ bus }), node: 'n0' });
  const cid = await n0.group('ada', 'bo');
  await clock.advance(2_000);
  const n1 = await startGateway({ clock, store, broker: openMemoryBroker({ bus }), node: 'n1' });
  await clock.advance(2_000);
  const ada = await joined(n0, 'ada', cid);
  const [bo0, bo1] = [await n0.connect('bo'), await n1.connect('bo')];
  await ada.send(send(cid, 'a'));
  await clock.advance(10_000);
  expect(bo0.of('conversation').map(({ unread }) => unread)).toEqual([1]);
  expect(bo1.of('conversation').map(({ unread }) => unread)).toEqual([1]);
});

test('R3b receipts after another node is gone', async () => {
  const clock = new FakeClock(); const store = openMemoryStore(); const bus = new MemoryBus();
  const n = []; for (const i of [0, 1, 2]) n.push(await startGateway({ clock, store, broker: openMemoryBroker({ bus }), node: `n${i}` }));
  await clock.advance(2_000);
  const cid = await n[0]!.group('ada', 'bo');
  const [ada, bo] = [await joined(n[0]!, 'ada', cid), await joined(n[1]!, 'bo', cid)];
  await bo.send(send(cid, 'x'));
  n[2]!.others!.close(); // an orderly end
  await clock.advance(8_000);
  await bo.send({ t: 'read', cid, pos: 1 });
  await bo.send(send(cid, 'y'));
  await bo.send(send(cid, 'z'));
  await clock.advance(8_000);
  await ada.send({t:'typing', cid, on: false} as any);
  const before = bo.of('read').length;
  const bo2 = await joined(n[1]!, 'bo', cid);
  await n[1]!.chat.read({ uid: 'bo', role: 'user' }, cid, 3).catch(() => {});
  // ada reads on n0; bo hears on n1. First let n1 and n0 forget once more, without a send in between.
  await n[0]!.gateway && null;
  const n3 = await startGateway({ clock, store, broker: openMemoryBroker({ bus }), node: 'n3' });
  await clock.advance(2_000); n3.others!.close(); await clock.advance(8_000);
  await ada.send({ t: 'read', cid, pos: 3 });
  await clock.advance(5_000);
  console.log('R3b', before, bo.of('read').map(({ from, pos }) => [from, pos]), bo2.of('read').map(({ from, pos }) => [from, pos]));
  expect(bo.of('read').filter(({ from }) => from === 'ada').map(({ pos }) => pos)).toContain(3);
});

test('R4 read positions do not go back', async () => {
  const clock = new FakeClock(); const store = openMemoryStore(); const bus = new MemoryBus();
  const l0 = line(bus);
  const n0 = await startGateway({ clock, store, broker: l0.broker, node: 'n0' });
  const n1 = await startGateway({ clock, store, broker: openMemoryBroker({ bus }), node: 'n1' });
  await clock.advance(2_000);
  const cid = await n0.group('ada', 'bo');
  const [ada, bo] = [await joined(n0, 'ada', cid), await joined(n1, 'bo', cid)];
  for (const m of ['a', 'b', 'c']) await bo.send(send(cid, m));
  l0.drop = (p, k) => k === 'cluster' && p.includes('"receipts"');
  await ada.send({ t: 'read', cid, pos: 1 });
  l0.drop = () => false;
  await ada.send({ t: 'read', cid, pos: 3 });
  await clock.advance(500);
  expect(bo.of('read').filter(({ from }) => from === 'ada').map(({ pos }) => pos)).toEqual([3]);
});

test('R5 expect before the first head', async () => {
  const clock = new FakeClock(); const store = openMemoryStore(); const bus = new MemoryBus();
  let gate: Promise<void> | undefined;
  const s1 = { ...store, heads: async (u: string, c: readonly string[]) => { const r = await store.heads(u, c); await gate; return r; } } as typeof store;
  const n1 = await startGateway({ clock, store: s1, broker: openMemoryBroker({ bus }), node: 'n1' });
  await clock.advance(2_000);
  const cid = await n1.group('ada', 'bo');
  const bo = await n1.connect('bo');
  const { promise, resolve } = Promise.withResolvers<void>(); gate = promise;
  await bo.send({ t: 'join', cid });
  // another node saves, and dies before it tells
  await store.commit([{ op: 'send', cid, mid: 'a', from: 'ada', at: 1, kind: 'text', body: '{}', digest: 'd' }]);
  n1.others!.doubt([cid]);
  await clock.advance(1_000);
  resolve(); await settled();
  await clock.advance(20_000);
  expect(bo.seqs(cid)).toEqual([1]);
});


test('R1b all lines break, and ours comes back first', async () => {
  const clock = new FakeClock(); const store = openMemoryStore(); const bus = new MemoryBus();
  const l0 = line(bus), l1 = line(bus);
  const n0 = await startGateway({ clock, store, broker: l0.broker, node: 'n0' });
  await clock.advance(2_000);
  const n1 = await startGateway({ clock, store, broker: l1.broker, node: 'n1' });
  await clock.advance(2_000);
  const cid = await n0.group('ada', 'bo');
  const [ada, bo] = [await joined(n0, 'ada', cid), await joined(n1, 'bo', cid)];
  l0.away = l1.away = true;
  await clock.advance(6_000);
  l1.away = false; l1.restored();
  await clock.advance(1_500);
  await ada.send(send(cid, 'a'));
  l0.away = false; l0.restored();
  await clock.advance(20_000);
  expect(bo.seqs(cid)).toEqual([1]);
});

test('R1c after that a removed user is still told of the conversation', async () => {
  const clock = new FakeClock(); const store = openMemoryStore(); const bus = new MemoryBus();
  const l0 = line(bus);
  const n0 = await startGateway({ clock, store, broker: l0.broker, node: 'n0' });
  await clock.advance(2_000);
  const n1 = await startGateway({ clock, store, broker: openMemoryBroker({ bus }), node: 'n1' });
  await clock.advance(2_000);
  const cid = await n0.group('ada', 'bo', 'cy');
  const [ada, bo] = [await joined(n0, 'ada', cid), await joined(n1, 'bo', cid)];
  const cy = await n1.connect('cy');
  l0.away = true;
  await clock.advance(8_000);
  await bo.send(send(cid, 'b')); // n1 caches the participants again
  await n0.chat.removeParticipant(n0.admin, cid, 'cy');
  l0.away = false; l0.restored();
  await clock.advance(2_000);
  const before = cy.of('conversation').length;
  await ada.send(send(cid, 'a'));
  await clock.advance(10_000);
  await cy.send({ t: 'typing', cid, on: true });
  console.log('R1c', cy.of('conversation').slice(before), 'ada hears typing', ada.of('typing').length);
  expect(cy.of('conversation').slice(before)).toEqual([]);
});

test('R11 one sender, pipelined, while outcomes are stale', async () => {
  const { Writer, createSend } = await import('@gapless/core') as any;
  const { systemClock } = await import('@gapless/kit') as any;
  const sends = await import('../../core/src/send.ts') as any;
  const store = openMemoryStore();
  const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));
  await store.commit([{ op: 'create', cid: 'c', kind: 'group', by: 'a', at: 1, participants: [{ uid: 'a', role: 'owner' }], createUsers: true }]);
  const d = new Directory(store, { shared: true });
  const w = new Writer({ store: { commit: async (b: any) => { await sleep(20); return store.commit(b); } }, clock: systemClock, onCommitted: (c: any) => d.apply(c) });
  const sendIt = sends.createSend({ directory: d, writer: w, clock: systemClock });
  const say = (mid: string) => sendIt({ uid: 'a', role: 'user' }, { cid: 'c', mid, kind: 'text', body: {} }).then((r: any) => [mid, r.seq]);
  await d.load('c');
  await store.commit([{ op: 'add', cid: 'c', by: 'a', at: 1, users: ['z'], role: 'member', createUsers: true }]); // another node
  const s1 = say('1'); await sleep(5);
  const s2 = say('2'); await sleep(25); // 1 is stale and looked up again; 2 is in the next batch, with the old rights
  const s3 = say('3');
  const got = await Promise.all([s1, s2, s3]);
  await w.close();
  expect(got).toEqual([['1', 1], ['2', 2], ['3', 3]]);
});

test('R12 what was pulled stays pulled', async () => {
  const clock = new FakeClock(); const store = openMemoryStore();
  const { STRATEGY } = await import('./strategy.ts');
  const n = await startGateway({ clock, store, broker: openMemoryBroker(), node: 'n', limits: { strategy: { ...STRATEGY, mode: 'notify' } } as any });
  const cid = await n.group('ada', 'bo');
  const ada = n.open(); ada.session.pulls = true;
  await ada.send({ t: 'auth', jwt: n.token('ada') });
  await ada.send({ t: 'join', cid });
  const entries: any[] = [];
  for (let i = 1; i <= 3; i++) {
    const [o] = await store.commit([{ op: 'send', cid, mid: `m${i}`, from: 'ada', at: 1, kind: 'text', body: '{}', digest: 'd' }]) as any;
    entries.push({ op: 'message', cid, rev: o.rev, seq: o.seq, from: 'ada', text: JSON.stringify({ t: 'message', cid, seq: o.seq, rev: o.rev }) });
  }
  const tell = (i: number) => n.gateway.publish({ entries: [entries[i - 1]], receipts: [], revs: [] });
  tell(1); tell(3); tell(2); await settled(); await clock.advance(10_000);
  expect(ada.seqs(cid)).toEqual([1, 2, 3]);
});

test('R14 added and removed, told in the other order', async () => {
  const clock = new FakeClock(); const store = openMemoryStore();
  const n = await startGateway({ clock, store, broker: openMemoryBroker(), node: 'n' });
  const cid = await n.group('ada', 'x');
  const bo = await n.connect('bo');
  const [a] = await store.commit([{ op: 'add', cid, by: 'ada', at: 1, users: ['bo'], role: 'member', createUsers: true }]) as any;
  const [r] = await store.commit([{ op: 'remove', cid, by: 'ada', at: 1, uid: 'bo' }]) as any;
  const { committedEntry } = await import('../../core/src/events.ts') as any;
  for (const o of [r, a]) n.gateway.publish({ entries: [committedEntry(o.entry)], receipts: [], revs: [] });
  await settled();
  expect(bo.of('conversation').map(({ op }) => op).at(-1)).toBe('removed');
});

test('R15 old settings are not taken again', async () => {
  const { Cluster, noClusterMetrics } = await import('@gapless/core');
  const clock = new FakeClock(); const bus = new MemoryBus(); const store = openMemoryStore();
  const silent: any = { info() {}, warn() {}, error() {}, debug() {} };
  const heard: any[] = [];
  const make = (node: string, broker: any, listener: any = {}) => new Cluster({ node, broker, reads: store, clock, log: silent, metrics: noClusterMetrics, listener: { committed() {}, revoked() {}, replaced() {}, settings() {}, typing() {}, listened: () => [], found() {}, deaf() {}, lost() {}, ...listener } } as any);
  const l1 = line(bus);
  const a = make('a', openMemoryBroker({ bus }), { settings: (s: any) => heard.push(s.changes.x) });
  await a.start(); await clock.advance(1_000);
  const b = make('b', l1.broker); await b.start(); await clock.advance(1_000);
  b.settings({ changes: { x: 'old' }, by: 'op' }); await clock.advance(1_000);
  b.settings({ changes: { x: 'new' }, by: 'op' }); await clock.advance(1_000);
  const was = heard.length;
  l1.away = true; await clock.advance(8_000); l1.away = false; await clock.advance(2_000);
  expect(heard.slice(was)).toEqual([]);
});
