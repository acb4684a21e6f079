import { settled } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { startGateway } from './harness.test-util.ts';
import { GATEWAY_LIMITS } from './limits.ts';

// Goal: the promises of delivery (PROTOCOL, section 4). Method: the real gateway over the memory store, connections without a network.

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('everyone who joined gets every message once, in order, the sender too', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo');
  const [ada, bo] = [await connect('ada'), await connect('bo')];
  await ada.send({ t: 'join', cid });
  await bo.send({ t: 'join', cid });
  await say('ada', cid, 50);
  expect(ada.seqs(cid)).toEqual(range(1, 50));
  expect(bo.seqs(cid)).toEqual(range(1, 50));
});

test('a join without a cursor replays nothing; joined comes first', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo');
  await say('ada', cid, 5);
  const bo = await connect('bo');
  await bo.send({ t: 'join', cid });
  await say('ada', cid, 2, 'later');
  expect(bo.of('joined')).toEqual([{ t: 'joined', cid, head: 5, rev: 5, lastRead: 0 }]);
  expect(bo.seqs(cid)).toEqual([6, 7]);
});

test.each([
  ['since', 700, 'since'],
  ['since 0', 0, 'since'],
  ['rev', 650, 'rev'],
  ['rev 0', 0, 'rev'],
] as const)('a join by %s replays what is missing, over several pages, and goes on live', async (_name, from, cursor) => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo');
  await say('ada', cid, 1_000);
  const bo = await connect('bo');
  // Commits fall into the replay.
  const during = say('ada', cid, 100, 'during');
  await bo.send({ t: 'join', cid, [cursor]: from });
  await during;
  await say('ada', cid, 100, 'after');
  const t = bo.frames.map((frame) => frame.t);
  expect(t.indexOf('joined')).toBeLessThan(t.indexOf('message'));
  expect(bo.seqs(cid)).toEqual(range(from + 1, 1_200));
});

test('rev brings changes in their place; since brings messages, then live changes', async () => {
  const { connect, group, say, chat, admin } = await startGateway();
  const cid = await group('ada', 'bo');
  await say('ada', cid, 2);
  await chat.updateConversation(admin, cid, { title: 'Plans' });
  await chat.addParticipants(admin, cid, { users: ['cy'] });
  await say('ada', cid, 1, 'third');
  const [byRev, bySince] = [await connect('bo'), await connect('bo')];
  await byRev.send({ t: 'join', cid, rev: 0 });
  await bySince.send({ t: 'join', cid, since: 0 });
  const durable = (client: typeof byRev) =>
    client.frames.flatMap((frame) => (frame.t === 'message' || frame.t === 'change' ? [[frame.t, frame.rev]] : []));
  expect(durable(byRev)).toEqual([
    ['message', 1],
    ['message', 2],
    ['change', 3],
    ['change', 4],
    ['message', 5],
  ]);
  expect(byRev.of('change')[0]).toMatchObject({ op: 'settings', title: 'Plans', by: 'backend' });
  expect(byRev.of('change')[1]).toMatchObject({ op: 'participants_added', users: ['cy'], role: 'member' });
  expect(durable(bySince)).toEqual([
    ['message', 1],
    ['message', 2],
    ['message', 5],
  ]);
  await chat.updateConversation(admin, cid, { title: 'Other plans' });
  await say('ada', cid, 1, 'fourth');
  expect(durable(bySince).slice(3)).toEqual([
    ['change', 6],
    ['message', 7],
  ]);
});

test('a cursor beyond the head is told to start anew', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo');
  await say('ada', cid, 3);
  const bo = await connect('bo');
  await bo.send({ t: 'join', cid, rev: 9 });
  await bo.send({ t: 'join', cid, since: 9 });
  expect(bo.of('joined').map((frame) => frame.reset)).toEqual([true, true]);
  await say('ada', cid, 1, 'next');
  expect(bo.seqs(cid)).toEqual([4]);
});

test('sync joins many with one answer each, and refuses what is not the user’s', async () => {
  const { connect, group, say } = await startGateway();
  const [one, two, foreign] = [await group('ada', 'bo'), await group('ada', 'bo'), await group('cy')];
  await say('ada', one, 3);
  await say('ada', two, 3);
  const bo = await connect('bo');
  await bo.send({ t: 'sync', convs: [{ cid: one, rev: 1 }, { cid: two, since: 2 }, { cid: foreign }, { cid: 'nowhere' }] });
  expect(bo.of('joined').map((frame) => frame.cid)).toEqual([one, two]);
  expect(bo.seqs(one)).toEqual([2, 3]);
  expect(bo.seqs(two)).toEqual([3]);
  expect(bo.of('error').map(({ code, ref }) => [code, ref?.cid])).toEqual([
    ['not_participant', foreign],
    ['not_participant', 'nowhere'],
  ]);
});

test('leave ends it; a join anew starts from its own cursor', async () => {
  const { connect, group, say } = await startGateway();
  const cid = await group('ada', 'bo');
  const bo = await connect('bo');
  await bo.send({ t: 'join', cid });
  await say('ada', cid, 2);
  await bo.send({ t: 'leave', cid });
  await say('ada', cid, 2, 'unseen');
  expect(bo.seqs(cid)).toEqual([1, 2]);
  await bo.send({ t: 'join', cid, since: 3 });
  expect(bo.seqs(cid)).toEqual([1, 2, 4]);
});

// A slow reader costs itself only: positions instead of queues.
test('a connection that takes nothing gets nothing more, delays nobody, and loses nothing', async () => {
  const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 0, highWaterBytes: 20_000, closeUnwritableAfterMs: -1 };
  const { connect, group, say, clock } = await startGateway({ limits: { backpressure } });
  const cid = await group('ada', 'bo', 'cy');
  const [quick, slow] = [await connect('bo'), await connect('cy')];
  await quick.send({ t: 'join', cid });
  await slow.send({ t: 'join', cid });
  slow.transport.writable = false;
  for (let round = 0; round < 20; round++) await say('ada', cid, 100, `r${round}`);
  expect(quick.seqs(cid)).toEqual(range(1, 2_000));
  expect(slow.transport.bufferedBytes).toBeLessThan(3 * backpressure.highWaterBytes + GATEWAY_LIMITS.runMaxBytes);
  expect(slow.transport.reading).toBe(false);
  const before = slow.seqs(cid).length;
  expect(before).toBeLessThan(2_000);
  // The tail is gone by then: the rest comes from the store.
  await clock.advance(10_000);
  await slow.drain();
  expect(slow.of('behind').at(-1)).toEqual({ t: 'behind', cid, head: 2_000, by: 2_000 - before });
  expect(slow.seqs(cid)).toEqual(range(1, 2_000));
  expect(slow.transport.reading).toBe(true);
});

test('a connection without progress is closed 4409 and resumes where it was', async () => {
  const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 0, highWaterBytes: 20_000, closeUnwritableAfterMs: 3_000 };
  const { connect, group, say, clock } = await startGateway({ limits: { backpressure } });
  const cid = await group('ada', 'bo');
  const slow = await connect('bo');
  await slow.send({ t: 'join', cid });
  slow.transport.writable = false;
  for (let round = 0; round < 5; round++) await say('ada', cid, 100, `r${round}`);
  await clock.advance(6_000);
  expect(slow.transport.closedWith).toBe(4409);
  expect(slow.transport.terminated).toBe(true);
  const again = await connect('bo');
  await again.send({ t: 'join', cid, rev: slow.seqs(cid).at(-1)! });
  expect([...slow.seqs(cid), ...again.seqs(cid)]).toEqual(range(1, 500));
});

test('who was removed gets what there was up to that, and nothing after', async () => {
  const { connect, group, say, chat, admin } = await startGateway();
  const cid = await group('ada', 'bo');
  const bo = await connect('bo');
  await bo.send({ t: 'join', cid });
  const before = say('ada', cid, 20);
  const removal = chat.removeParticipant(admin, cid, 'bo');
  const after = say('ada', cid, 20, 'secret');
  await Promise.all([before, removal, after]);
  const { rev } = bo.of('change')[0]!;
  expect(bo.of('message').every((frame) => frame.rev < rev)).toBe(true);
  expect(bo.of('conversation').at(-1)).toMatchObject({ cid, op: 'removed' });
  await bo.send({ t: 'send', cid, mid: 'no', kind: 'text', body: {} });
  await bo.send({ t: 'join', cid });
  expect(bo.of('error').map((frame) => frame.code)).toEqual(['not_participant', 'not_participant']);
  await say('ada', cid, 5, 'more');
  expect(bo.of('message').length).toBe(bo.of('message').filter((frame) => frame.rev < rev).length);
});

test('nothing after a removal reaches the removed, also when others were served from the same position first', async () => {
  const { connect, group, chat, admin } = await startGateway();
  const cid = await group('ada', 'bo');
  const [ada, bo] = [await connect('ada'), await connect('bo')];
  await ada.send({ t: 'join', cid });
  await bo.send({ t: 'join', cid });
  const say = (mid: string) => chat.send({ uid: 'ada', role: 'user' }, { cid, mid, kind: 'text', body: { text: mid } });
  // All of it before the next flush: the removal is in the middle of one run of frames.
  const done: Promise<unknown>[] = [say('before'), chat.removeParticipant(admin, cid, 'bo')];
  for (let i = 0; i < 20; i++) await null;
  done.push(say('secret 1'), say('secret 2'));
  await Promise.all(done);
  await settled();
  expect(ada.of('message').map((frame) => frame.mid)).toEqual(['before', 'secret 1', 'secret 2']);
  expect(bo.of('message').map((frame) => frame.mid)).toEqual(['before']);
  expect(bo.of('change').map((frame) => frame.op)).toEqual(['participants_removed']);
});

test('who was removed and added again while joining stays joined', async () => {
  const { connect, group, chat, admin, say, store } = await startGateway();
  const cid = await group('ada', 'bo');
  const bo = await connect('bo');
  const heads = store.heads;
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  store.heads = (...args) => gate.then(() => heads(...args));
  await bo.send({ t: 'join', cid });
  await chat.removeParticipant(admin, cid, 'bo');
  await chat.addParticipants(admin, cid, { users: ['bo'] });
  release();
  await settled();
  await say('ada', cid, 3);
  expect(bo.of('joined')).toHaveLength(1);
  expect(bo.seqs(cid)).toEqual([1, 2, 3]);
});

test('a sync of much history fills no more than the connection takes, one page at a time', async () => {
  const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 0, highWaterBytes: 50_000, closeUnwritableAfterMs: -1 };
  const { connect, group, say, clock } = await startGateway({ limits: { backpressure } });
  const cids: string[] = [];
  for (let i = 0; i < 20; i++) {
    cids.push(await group('ada', 'bo'));
    await say('ada', cids[i]!, 100, `m${i}`, 'x'.repeat(1_000));
  }
  await clock.advance(10_000);
  const bo = await connect('bo');
  bo.transport.writable = false;
  await bo.send({ t: 'sync', convs: cids.map((cid) => ({ cid, rev: 0 })) });
  expect(bo.transport.bufferedBytes).toBeLessThan(300_000);
  for (let i = 0; i < 60 && bo.of('message').length < 2_000; i++) await bo.drain();
  for (const cid of cids) expect(bo.seqs(cid)).toEqual(range(1, 100));
});

test('a page read from the store before the commit was told ends at the reader’s removal', async () => {
  const { connect, group, say, store, admin, gateway, clock } = await startGateway();
  const cid = await group('ada', 'bo');
  const bo = await connect('bo');
  await bo.send({ t: 'join', cid });
  await say('ada', cid, 2);
  // Committed behind the writer's back: durable, and not published yet.
  const at = 0;
  const text = (mid: string) => ({ op: 'send', cid, mid, from: 'ada', at, kind: 'text', body: '{}', digest: mid }) as const;
  await store.commit([text('before'), { op: 'remove', cid, by: admin.uid, at, uid: 'bo' }, text('secret')]);
  gateway.hub.observe(gateway.hub.channel(cid)!, 4, 5);
  await clock.advance(200);
  expect(bo.of('message').map((frame) => frame.mid)).toEqual(['m-0', 'm-1', 'before']);
  expect(bo.of('change').map((frame) => frame.op)).toEqual(['participants_removed']);
});
