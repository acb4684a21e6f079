import { settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { ENCODING } from './frame.ts';
import { startGateway } from './harness.test-util.ts';
import { Standings } from './standings.ts';

// Goal: who joins hears where everyone is, exactly, though the store is asked once. Method: joins between every kind of change.

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('joins of many read the store once, and each hears the newest positions of the others', async () => {
  const { connect, group, say, store } = await startGateway();
  const users = range(1, 20).map((n) => `u${n}`);
  const cid = await group(...users);
  await say('u1', cid, 10);
  const positions = store.positions;
  let reads = 0;
  store.positions = (...args) => {
    reads++;
    return positions(...args);
  };
  const expected = new Map<string, number>([['u1', 10]]);
  for (const [i, user] of users.entries()) {
    const client = await connect(user);
    await client.send({ t: 'join', cid });
    const heard = new Map(client.of('read').map(({ from, pos }) => [from, pos]));
    expect(heard).toEqual(new Map([...expected].filter(([uid]) => uid !== user)));
    expect(client.of('read')).toHaveLength(heard.size);
    await client.send({ t: 'read', cid, pos: Math.min(10, i + 1) });
    expected.set(user, Math.max(expected.get(user) ?? 0, Math.min(10, i + 1)));
  }
  expect(reads).toBe(1);
  await say('u3', cid, 1, 'later');
  const late = await connect('u2');
  await late.send({ t: 'join', cid });
  expect(late.of('read').find(({ from }) => from === 'u3')!.pos).toBe(11);
});

test('delivered is told only beyond what was read', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo', 'cy');
  await say('ada', cid, 5);
  const bo = await connect('bo', { device: 'phone' });
  await bo.send({ t: 'join', cid });
  await bo.send({ t: 'ack', cid, pos: 4 });
  await bo.send({ t: 'read', cid, pos: 3 });
  const first = await connect('cy');
  await first.send({ t: 'join', cid });
  expect(first.of('delivered')).toEqual([{ t: 'delivered', cid, pos: 4, from: 'bo' }]);
  await bo.send({ t: 'read', cid, pos: 5 });
  const second = await connect('cy');
  await second.send({ t: 'join', cid });
  expect(second.of('delivered')).toEqual([]);
  expect(second.of('read')).toContainEqual({ t: 'read', cid, pos: 5, from: 'bo' });
});

test('who was removed is not among them; who came back starts anew', async () => {
  const { connect, group, say, chat, admin } = await startGateway();
  const cid = await group('ada', 'bo', 'cy');
  await say('ada', cid, 5);
  const [cy, bo] = [await connect('cy'), await connect('bo')];
  for (const client of [cy, bo]) await client.send({ t: 'join', cid });
  await bo.send({ t: 'read', cid, pos: 5 });
  await chat.removeParticipant(admin, cid, 'bo');
  const positionsFor = async (user: string) => {
    const client = await connect(user);
    await client.send({ t: 'join', cid });
    return client.of('read').map(({ from, pos }) => [from, pos]);
  };
  expect(await positionsFor('cy')).toEqual([['ada', 5]]);
  await chat.addParticipants(admin, cid, { users: ['bo'] });
  expect(await positionsFor('cy')).toEqual([['ada', 5]]);
});

test('a read of the store that fails is tried again by the next join', async () => {
  const { connect, group, say, store } = await startGateway();
  const cid = await group('ada', 'bo', 'cy');
  await say('ada', cid, 2);
  const positions = store.positions;
  store.positions = () => Promise.reject(new Error('told to'));
  const bo = await connect('bo');
  await bo.send({ t: 'join', cid });
  expect([bo.of('joined').length, bo.of('read')]).toEqual([1, []]);
  store.positions = positions;
  const cy = await connect('cy');
  await cy.send({ t: 'join', cid });
  expect(cy.of('read')).toEqual([{ t: 'read', cid, pos: 2, from: 'ada' }]);
});

test('who reads and is removed in one batch is gone', async () => {
  const { connect, group, say, chat, admin, store } = await startGateway();
  const cid = await group('ada', 'bo', 'cy');
  await say('ada', cid, 3);
  const cy = await connect('cy');
  await cy.send({ t: 'join', cid });
  const { commit } = store;
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  store.commit = (batch) => gate.then(() => commit(batch));
  // The first holds the lane; the other two go in one batch behind it.
  const done = [chat.send({ uid: 'ada', role: 'user' }, { cid, mid: 'x', kind: 'text', body: {} })];
  await settled();
  const others = [chat.read({ uid: 'bo', role: 'user' }, cid, 2), chat.removeParticipant(admin, cid, 'bo')];
  await settled();
  open();
  await Promise.all([...done, ...others]);
  await settled();
  const late = await connect('ada');
  await late.send({ t: 'join', cid });
  expect(late.of('read').map(({ from }) => from)).not.toContain('bo');
});

test('who is removed while positions are read from the store is gone', async () => {
  const { connect, group, say, chat, admin, store } = await startGateway();
  const cid = await group('ada', 'bo', 'cy');
  await say('ada', cid, 3);
  await chat.read({ uid: 'bo', role: 'user' }, cid, 2);
  const { positions } = store;
  let open = () => {};
  const gate = new Promise<void>((resolve) => (open = resolve));
  store.positions = async (...args) => {
    const read = await positions(...args);
    await gate;
    return read;
  };
  const cy = await connect('cy');
  await cy.send({ t: 'join', cid });
  await chat.removeParticipant(admin, cid, 'bo');
  open();
  await settled();
  const late = await connect('ada');
  await late.send({ t: 'join', cid });
  expect(late.of('read').map(({ from }) => from)).toEqual([]);
  expect(cy.of('read').map(({ from }) => from)).toEqual(['ada']);
});

test('a slow connection whose user was removed hears no position from after it', async () => {
  const { connect, group, say, chat, admin } = await startGateway();
  const cid = await group('ada', 'bo', 'cy');
  await say('ada', cid, 50);
  const bo = await connect('bo');
  bo.transport.bufferedBytes = 1e9;
  await bo.send({ t: 'join', cid });
  await chat.removeParticipant(admin, cid, 'bo');
  await chat.read({ uid: 'cy', role: 'user' }, cid, 42);
  await bo.drain();
  expect(bo.of('joined')).toHaveLength(1);
  expect(bo.of('read').filter(({ from }) => from === 'cy')).toEqual([]);
});

test('a message that is heard of behind the removal of who sent it says nothing of where they are', () => {
  const standings = new Standings('c1');
  const told = () => Buffer.concat([standings.of({ closed: false, ending: false }, 'me').bytes(ENCODING.json)]).toString();
  standings.forget('ada', 12);
  standings.wrote({ from: 'ada', seq: 10, rev: 11 });
  expect(told()).toBe('');
  standings.wrote({ from: 'ada', seq: 11, rev: 14 });
  expect(told()).toContain('"pos":11');
});
