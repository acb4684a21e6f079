import { openMemoryStore } from '@gapless/adapters/store/memory';
import { PRESENCE_GRACE_MS, RECEIPTS_MAX_PARTICIPANTS, TYPING_TTL_MS } from '@gapless/protocol';
import { expect, test } from 'vitest';
import { startGateway } from './harness.test-util.ts';

// Goal: receipts, typing, presence and conversation notices reach whom they should, and nobody else.

test('delivered and read are told to the others, read to one’s own devices too; never back, never beyond the head', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo');
  const [ada, phone, desk] = [await connect('ada'), await connect('bo', { device: 'phone' }), await connect('bo', { device: 'desk' })];
  for (const client of [ada, phone, desk]) await client.send({ t: 'join', cid });
  await say('ada', cid, 5);
  await phone.send({ t: 'ack', cid, pos: 4 });
  await desk.send({ t: 'ack', cid, pos: 2 });
  await phone.send({ t: 'read', cid, pos: 3 });
  await desk.send({ t: 'read', cid, pos: 1 });
  await phone.send({ t: 'read', cid, pos: 99 });
  expect(ada.of('delivered')).toEqual([{ t: 'delivered', cid, pos: 4, from: 'bo' }]);
  expect(ada.of('read').map((frame) => frame.pos)).toEqual([3, 5]);
  expect(desk.of('read').map((frame) => frame.pos)).toEqual([3, 5]);
  expect(desk.of('delivered')).toEqual([]);
});

test('a join is told where the others are', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo', 'cy');
  const bo = await connect('bo');
  await bo.send({ t: 'join', cid });
  await say('ada', cid, 5);
  await bo.send({ t: 'ack', cid, pos: 5 });
  await bo.send({ t: 'read', cid, pos: 2 });
  const cy = await connect('cy');
  await cy.send({ t: 'join', cid });
  expect(cy.of('delivered')).toEqual([{ t: 'delivered', cid, pos: 5, from: 'bo' }]);
  expect(cy.of('read')).toEqual(
    expect.arrayContaining([
      { t: 'read', cid, pos: 2, from: 'bo' },
      { t: 'read', cid, pos: 5, from: 'ada' },
    ]),
  );
});

test('one’s own sends are read', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo');
  await say('ada', cid, 4);
  const ada = await connect('ada');
  await ada.send({ t: 'join', cid });
  expect(ada.of('joined')[0]).toMatchObject({ head: 4, lastRead: 4 });
});

test.each([2, RECEIPTS_MAX_PARTICIPANTS + 1])(
  'of %i participants nobody is told that a sender has read their own message',
  async (size) => {
    const under = openMemoryStore();
    const { connect, group, say, clock } = await startGateway({ store: under });
    const cid = await group(...Array.from({ length: size }, (_, i) => `u${i}`));
    const clients = [await connect('u0'), await connect('u0'), await connect('u1')];
    for (const client of clients) await client.send({ t: 'join', cid });
    await say('u0', cid, 2);
    await clients[0]!.send({ t: 'read', cid, pos: 2 });
    await clock.advance(60_000);
    expect(await under.positions(cid)).toEqual([{ uid: 'u0', lastRead: 2, delivered: 0 }]);
    expect(clients.flatMap((client) => client.of('read'))).toEqual([]);
  },
);

test('in a conversation of many, receipts go to one’s own devices only', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group(...Array.from({ length: RECEIPTS_MAX_PARTICIPANTS + 1 }, (_, i) => `u${i}`));
  const [other, phone, desk] = [await connect('u0'), await connect('u1'), await connect('u1')];
  for (const client of [other, phone, desk]) await client.send({ t: 'join', cid });
  await say('u0', cid, 3);
  await phone.send({ t: 'read', cid, pos: 3 });
  await phone.send({ t: 'ack', cid, pos: 3 });
  expect([other.of('read'), other.of('delivered')]).toEqual([[], []]);
  expect(desk.of('read')).toEqual([{ t: 'read', cid, pos: 3, from: 'u1' }]);
});

test('typing reaches who joined, ends by itself, and with the message', async () => {
  const { connect, group, say, clock } = await startGateway();
  const cid = await group('ada', 'bo');
  const [ada, bo, away] = [await connect('ada'), await connect('bo'), await connect('bo')];
  for (const client of [ada, bo]) await client.send({ t: 'join', cid });
  await ada.send({ t: 'typing', cid, on: true });
  expect(bo.of('typing')).toEqual([{ t: 'typing', cid, from: 'ada', on: true }]);
  await clock.advance(TYPING_TTL_MS + 500);
  expect(bo.of('typing').map((frame) => frame.on)).toEqual([true, false]);
  await ada.send({ t: 'typing', cid, on: true });
  await say('ada', cid, 1);
  expect(bo.of('typing').map((frame) => frame.on)).toEqual([true, false, true, false]);
  expect([ada.of('typing'), away.of('typing')]).toEqual([[], []]);
});

test('typing by a stranger is refused and told to nobody', async () => {
  const { connect, group } = await startGateway();
  const cid = await group('ada', 'bo');
  const [bo, eve] = [await connect('bo'), await connect('eve')];
  await bo.send({ t: 'join', cid });
  await eve.send({ t: 'typing', cid, on: true });
  expect(eve.of('error')).toMatchObject([{ code: 'not_participant', ref: { t: 'typing', cid } }]);
  expect(bo.of('typing')).toEqual([]);
});

test('presence: the state now, each change once, offline only after the grace', async () => {
  const { connect, group, gateway, clock } = await startGateway();
  await group('ada', 'bo');
  const ada = await connect('ada');
  await ada.send({ t: 'presence', watch: ['bo'] });
  expect(ada.of('presence')).toEqual([{ t: 'presence', user: 'bo', state: 'offline' }]);
  const first = await connect('bo');
  const second = await connect('bo');
  gateway.ended(first.session);
  await clock.advance(PRESENCE_GRACE_MS * 2);
  expect(ada.of('presence').map((frame) => frame.state)).toEqual(['offline', 'online']);
  const at = clock.now();
  gateway.ended(second.session);
  await clock.advance(PRESENCE_GRACE_MS - 1);
  expect(ada.of('presence')).toHaveLength(2);
  await clock.advance(1);
  expect(ada.of('presence')[2]).toEqual({ t: 'presence', user: 'bo', state: 'offline', lastSeen: at });
  await ada.send({ t: 'presence', unwatch: ['bo'] });
  await connect('bo');
  expect(ada.of('presence')).toHaveLength(3);
});

test('presence of strangers is not told, also when they become strangers', async () => {
  const { connect, group, chat, admin, gateway, clock } = await startGateway();
  const cid = await group('ada', 'bo');
  const [ada, eve] = [await connect('ada'), await connect('eve')];
  await eve.send({ t: 'presence', watch: ['ada', 'bo'] });
  await ada.send({ t: 'presence', watch: ['bo'] });
  const bo = await connect('bo');
  expect(eve.of('presence')).toEqual([]);
  expect(ada.of('presence')).toHaveLength(2);
  await chat.removeParticipant(admin, cid, 'bo');
  gateway.ended(bo.session);
  await clock.advance(PRESENCE_GRACE_MS);
  expect(ada.of('presence')).toHaveLength(2);
});

test('every connection is told of its user’s conversations: added, head and unread merged, removed', async () => {
  const { connect, chat, admin, say, clock } = await startGateway();
  const [ada, bo, joined] = [await connect('ada'), await connect('bo'), await connect('bo')];
  const { conversation } = await chat.createConversation(admin, { kind: 'group', participants: ['ada', 'bo'] });
  const { cid } = conversation;
  await joined.send({ t: 'join', cid });
  expect(bo.of('conversation')).toEqual([{ t: 'conversation', cid, op: 'added', head: 0, unread: 0 }]);
  await say('ada', cid, 40);
  await clock.advance(1_000);
  const notices = bo.of('conversation');
  expect(notices.length).toBeLessThan(10);
  expect(notices.at(-1)).toEqual({ t: 'conversation', cid, op: 'changed', head: 40, unread: 40 });
  expect(ada.of('conversation').at(-1)).toMatchObject({ head: 40, unread: 0 });
  expect(joined.of('conversation')).toEqual(bo.of('conversation'));
  await joined.send({ t: 'read', cid, pos: 30 });
  expect(bo.of('conversation').at(-1)).toMatchObject({ op: 'changed', head: 40, unread: 10 });
  await chat.removeParticipant(admin, cid, 'bo');
  await clock.advance(1_000);
  expect(bo.of('conversation').at(-1)).toMatchObject({ cid, op: 'removed' });
});
