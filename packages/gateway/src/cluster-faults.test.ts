import { ChatError, committedEntry } from '@gapless/core';
import { settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { joined, send, startCluster } from './cluster.test-util.ts';

// Goal: nodes that lose sight of each other, commits of unknown outcome, and notices in the wrong order leave no trace at any client.
// Method: each case by hand, on nodes whose lines break one by one.

test('a node that was cut off longer than it is taken for alive: what it saved meanwhile shows, and who it removed is told nothing', async () => {
  const { nodes, clock } = await startCluster(2);
  const cid = await nodes[0]!.group('ada', 'bo', 'cy');
  const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
  const cy = await nodes[1]!.connect('cy');
  nodes[0]!.line.break();
  await clock.advance(8_000);
  await bo.send(send(cid, 'b'));
  const told = cy.of('conversation').length;
  await ada.send(send(cid, 'a'));
  await nodes[0]!.chat.removeParticipant(nodes[0]!.admin, cid, 'cy');
  await ada.send(send(cid, 'secret'));
  nodes[0]!.line.mend();
  await clock.advance(10_000);
  expect(bo.seqs(cid)).toEqual([1, 2, 3]);
  expect(cy.of('conversation').slice(told)).toMatchObject([{ op: 'removed', head: 0 }]);
  await cy.send({ t: 'typing', cid, on: true });
  expect(cy.of('error')).toMatchObject([{ code: 'not_participant' }]);
});

test('all lines break, and ours is back before the other’s', async () => {
  const { nodes, clock } = await startCluster(2);
  const cid = await nodes[0]!.group('ada', 'bo');
  const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
  for (const { line } of nodes) line.break();
  await clock.advance(6_000);
  nodes[1]!.line.mend();
  await clock.advance(1_500);
  await ada.send(send(cid, 'a'));
  nodes[0]!.line.mend();
  await clock.advance(20_000);
  expect(bo.seqs(cid)).toEqual([1]);
});

test('a node that leaves in good order costs the others no look at the store', async () => {
  const { nodes, clock } = await startCluster(2);
  const cid = await nodes[0]!.group('ada', 'bo');
  const bo = await joined(nodes[1]!, 'bo', cid);
  await nodes[0]!.say('ada', cid, 2);
  nodes[0]!.others!.close();
  const looks: number[] = [];
  const { revs } = nodes[1]!.store;
  nodes[1]!.store.revs = (cids) => {
    looks.push(cids.length);
    return revs(cids);
  };
  await clock.advance(10_000);
  nodes[1]!.store.revs = revs;
  expect(looks).toEqual([]);
  expect(bo.seqs(cid)).toEqual([1, 2]);
});

test('a commit of unknown outcome shows on every node', async () => {
  let isUnknown = false;
  const { nodes, clock } = await startCluster(2, {
    storeOf: (node, store) => ({
      ...store,
      async commit(batch) {
        const outcomes = await store.commit(batch);
        if (node === 0 && isUnknown) throw new ChatError('store_unavailable');
        return outcomes;
      },
    }),
  });
  const cid = await nodes[0]!.group('ada', 'bo');
  const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
  isUnknown = true;
  await ada.send(send(cid, 'a'));
  await clock.advance(2_000);
  expect(ada.of('error')).toMatchObject([{ code: 'store_unavailable' }]);
  for (const client of [ada, bo]) expect(client.seqs(cid)).toEqual([1]);
});

test('a node that starts later tells its users of conversations that nobody there has opened', async () => {
  const { nodes, clock, add } = await startCluster(1);
  const cid = await nodes[0]!.group('ada', 'bo');
  const ada = await joined(nodes[0]!, 'ada', cid);
  const bo = await (await add()).connect('bo');
  await ada.send(send(cid, 'a'));
  await clock.advance(1_000);
  expect(bo.of('conversation')).toMatchObject([{ cid, op: 'changed', head: 1, unread: 1 }]);
});

test('receipts go on after another node has gone', async () => {
  const { nodes, clock } = await startCluster(3);
  const cid = await nodes[0]!.group('ada', 'bo');
  const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
  await bo.send(send(cid, 'b'));
  nodes[2]!.line.break();
  await clock.advance(8_000);
  await ada.send({ t: 'read', cid, pos: 1 });
  await settled();
  expect(bo.of('read')).toMatchObject([{ from: 'ada', pos: 1 }]);
});

test('an older position that comes late is not told', async () => {
  const { nodes, clock } = await startCluster(2);
  const cid = await nodes[0]!.group('ada', 'bo');
  const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
  for (const mid of ['a', 'b', 'c']) await bo.send(send(cid, mid));
  nodes[0]!.line.loses = (payload) => payload.includes('"receipts"');
  await ada.send({ t: 'read', cid, pos: 1 });
  nodes[0]!.line.loses = () => false;
  await ada.send({ t: 'read', cid, pos: 3 });
  await clock.advance(1_000);
  expect(bo.of('read').map(({ pos }) => pos)).toEqual([3]);
});

test('a node shows what another one saved before it was heard of first', async () => {
  const { nodes, clock, add } = await startCluster(1);
  const cid = await nodes[0]!.group('ada', 'bo');
  const ada = await joined(nodes[0]!, 'ada', cid);
  // So much that a new node does not ask for all of it.
  for (let i = 0; i < 101; i++) await ada.send(send(cid, `m${i}`));
  nodes[0]!.line.loses = () => true;
  const bo = await joined(await add(), 'bo', cid);
  await ada.send(send(cid, 'missed'));
  nodes[0]!.line.loses = () => false;
  await clock.advance(2_000);
  expect(bo.seqs(cid)).toEqual([102]);
});

test('who joins before their own message was told here hears how far they have read, when it is', async () => {
  const { nodes, clock } = await startCluster(2);
  const cid = await nodes[0]!.group('ada', 'bo');
  await joined(nodes[1]!, 'bo', cid);
  const ada = await joined(nodes[0]!, 'ada', cid);
  nodes[0]!.line.loses = (payload) => payload.includes('"seq"');
  await ada.send(send(cid, 'a'));
  nodes[0]!.line.loses = () => false;
  const again = await joined(nodes[1]!, 'ada', cid);
  expect(again.of('joined')).toMatchObject([{ head: 1, lastRead: 0 }]);
  await clock.advance(2_000);
  expect(again.of('read').filter(({ from }) => from === 'ada')).toMatchObject([{ pos: 1 }]);
});

test('who joins before their own read was told here hears of no older one', async () => {
  const { nodes, clock } = await startCluster(2);
  const cid = await nodes[0]!.group('ada', 'bo');
  const [ada, bo] = [await joined(nodes[0]!, 'ada', cid), await joined(nodes[1]!, 'bo', cid)];
  for (const mid of ['a', 'b', 'c']) await bo.send(send(cid, mid));
  nodes[0]!.line.loses = (payload) => payload.includes('"receipts"');
  await ada.send({ t: 'read', cid, pos: 3 });
  nodes[0]!.line.loses = () => false;
  const other = await joined(nodes[1]!, 'ada', cid);
  expect(other.of('joined')).toMatchObject([{ lastRead: 3 }]);
  const late = { op: 'read', cid, uid: 'ada', pos: 1 } as const;
  nodes[1]!.gateway.publish({ entries: [], receipts: [late], revs: [] });
  await bo.send(send(cid, 'd'));
  await clock.advance(300);
  expect(other.of('read').filter(({ from }) => from === 'ada')).toEqual([]);
  expect(other.of('conversation').at(-1)).toMatchObject({ head: 4, unread: 1 });
});

test('what is found in the store while a join reads its head is not forgotten', async () => {
  const slow = Promise.withResolvers<void>();
  let isSlow = false;
  const { nodes, store, clock } = await startCluster(1, {
    storeOf: (_node, memory) => ({
      ...memory,
      async heads(uid, cids) {
        const heads = await memory.heads(uid, cids);
        if (isSlow) await slow.promise;
        return heads;
      },
    }),
  });
  const cid = await nodes[0]!.group('ada', 'bo');
  const bo = await nodes[0]!.connect('bo');
  isSlow = true;
  await bo.send({ t: 'join', cid });
  await store.commit([{ op: 'send', cid, mid: 'a', from: 'ada', at: 1, kind: 'text', body: '{}', digest: 'a' }]);
  nodes[0]!.others!.doubt([cid]);
  await clock.advance(1_000);
  slow.resolve();
  await settled();
  await clock.advance(1_000);
  expect(bo.seqs(cid)).toEqual([1]);
});

test('what is read while a join reads its head is in the join', async () => {
  const slow = Promise.withResolvers<void>();
  let isSlow = false;
  const { nodes } = await startCluster(1, {
    storeOf: (_node, memory) => ({
      ...memory,
      async heads(uid, cids) {
        const heads = await memory.heads(uid, cids);
        if (isSlow) await slow.promise;
        return heads;
      },
    }),
  });
  const cid = await nodes[0]!.group('ada', 'bo');
  await nodes[0]!.say('bo', cid, 3);
  const [phone, desk] = [await joined(nodes[0]!, 'ada', cid), await nodes[0]!.connect('ada')];
  isSlow = true;
  await desk.send({ t: 'join', cid });
  await phone.send({ t: 'read', cid, pos: 2 });
  slow.resolve();
  await settled();
  expect(desk.of('joined')).toMatchObject([{ head: 3, lastRead: 2 }]);
});

test('an addition and a removal that are told in the other order end as they are', async () => {
  const { nodes, store } = await startCluster(1);
  const cid = await nodes[0]!.group('ada');
  const bo = await nodes[0]!.connect('bo');
  const outcomes = await store.commit([
    { op: 'add', cid, by: 'ada', at: 1, users: ['bo'], role: 'member', createUsers: true },
    { op: 'remove', cid, by: 'ada', at: 1, uid: 'bo' },
  ]);
  const entries = outcomes.map((outcome) => committedEntry((outcome as { entry: Parameters<typeof committedEntry>[0] }).entry));
  for (const entry of entries.toReversed()) nodes[0]!.gateway.publish({ entries: [entry], receipts: [], revs: [] });
  await settled();
  expect(bo.of('conversation').at(-1)).toMatchObject({ op: 'removed', head: 0 });
});

test('many changes of participants at once all get through', async () => {
  const { nodes } = await startCluster(2);
  const cid = await nodes[0]!.group('ada');
  const users = Array.from({ length: 20 }, (_, i) => `u${i}`);
  const ada = { uid: 'ada', role: 'user' } as const;
  await Promise.all(users.map((uid) => nodes[0]!.store.ensureUser({ uid, at: 1 })));
  await Promise.all(users.map((uid, i) => nodes[i % 2]!.chat.addParticipants(ada, cid, { users: [uid] })));
  expect((await nodes[0]!.store.participants(cid)).length).toBe(21);
});
