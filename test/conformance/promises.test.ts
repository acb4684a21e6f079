import type { WireClient } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { RawSocket } from '../security/raw-socket.ts';
import { LOW_MARKS, messages, range, text, useServer } from './world.ts';

// PROTOCOL, section 4: what a client may rely on. Promise 2 over kill -9 stands in test/faults.

const world = useServer({ env: { ...LOW_MARKS, GAPLESS_WS_BACKPRESSURE_CLOSE_UNWRITABLE_AFTER_MS: '-1' } });

const seqs = (client: WireClient, cid: string) => messages(client, cid).map((frame) => frame.seq);

test('1: in order, none missing, none twice, from joined on, while messages fall into the replay', async () => {
  const cid = await world.group('ada', 'bo');
  const ada = await world.connect('ada');
  const say = (from: number, to: number) => {
    for (const i of range(from, to)) ada.send({ t: 'send', cid, mid: `m${i}`, ...text(`${i}`) });
  };
  say(1, 500);
  await ada.wait('ack', (frame) => frame.pos === 500);
  say(501, 700);
  const cursors = [{}, { since: 0 }, { rev: 0 }, { since: 250 }, { rev: 499 }, { since: 500 }];
  const readers = await Promise.all(
    cursors.map(async (cursor) => {
      const client = await world.connect('bo');
      client.send({ t: 'join', cid, ...cursor });
      return client;
    }),
  );
  say(701, 1_000);
  for (const client of readers) {
    const joined = await client.wait('joined');
    const cursor = cursors[readers.indexOf(client)]!;
    const from = cursor.since ?? cursor.rev ?? joined.head;
    // Who joins without a cursor when all is said gets nothing.
    if (from === 1_000) await client.settle();
    else {
      await client.wait('message', (frame) => frame.seq === 1_000);
      expect(client.frames.indexOf(joined)).toBeLessThan(client.frames.findIndex((frame) => frame.t === 'message'));
    }
    expect(seqs(client, cid)).toEqual(range(from + 1, 1_000));
    // The conversation had no other change, so both counters agree.
    expect(messages(client, cid).every((frame) => frame.rev === frame.seq)).toBe(true);
  }
});

test('2: an ack says saved, and the message is in the history at once', async () => {
  const cid = await world.group('ada', 'bo');
  const [ada, bo] = [await world.connect('ada'), await world.http('bo')];
  for (const i of range(1, 20)) {
    const ack = await ada.say(cid, `m${i}`);
    expect(ack.stage).toBe('saved');
    expect((await bo.call('GET', `/v1/conversations/${cid}/messages?after=${ack.pos - 1}`)).body.items).toMatchObject([{ mid: `m${i}` }]);
  }
});

test('3: all devices of the sender that joined get the message with its mid, the sending one too', async () => {
  const cid = await world.group('ada', 'bo');
  const devices = [await world.connect('ada'), await world.connect('ada'), await world.connect('ada')];
  const [phone, tablet, idle] = devices as [WireClient, WireClient, WireClient];
  await phone.join(cid);
  await tablet.join(cid);
  for (const i of range(1, 20)) (i % 2 ? phone : tablet).send({ t: 'send', cid, mid: `m${i}`, ...text(`${i}`) });
  await Promise.all([phone, tablet].map((client) => client.wait('message', (frame) => frame.seq === 20)));
  expect(messages(phone, cid)).toEqual(messages(tablet, cid));
  expect(seqs(phone, cid)).toEqual(range(1, 20));
  expect(new Set(messages(phone, cid).map((frame) => frame.mid)).size).toBe(20);
  await idle.settle();
  expect(idle.of('message')).toEqual([]);
});

test('4: a connection that does not read is told behind and then gets everything, in order', async () => {
  const cid = await world.group('ada', 'bo');
  const slow = await RawSocket.upgrade(world.server.port);
  slow.sendFrame({ t: 'auth', jwt: await world.server.token('bo') });
  slow.sendFrame({ t: 'join', cid, since: 0 });
  await slow.until(() => slow.frames.some((frame) => frame.t === 'joined'));
  slow.socket.pause();
  const ada = await world.connect('ada');
  // More than the buffers of both kernels take.
  const count = 1_500;
  const large = 'x'.repeat(12_000);
  for (const i of range(1, count)) {
    ada.send({ t: 'send', cid, mid: `m${i}`, ...text(large) });
    if (i % 100 === 0) await ada.wait('ack', (frame) => frame.pos === i);
  }
  const quick = await world.connect('bo');
  await quick.join(cid);
  await ada.say(cid, 'last');
  await quick.wait('message', (frame) => frame.mid === 'last');
  // Of several nodes, the one of the slow connection may be told later than the quick one's.
  const blocked = async () =>
    /^gapless_connections_blocked_total (\d+)/m.exec(await (await fetch(`${world.server.url}/metrics`)).text())?.[1];
  await expect.poll(blocked, { timeout: 60_000 }).not.toBe('0');
  slow.socket.resume();
  const got = () => slow.frames.filter((frame) => frame.t === 'message').map((frame) => frame.seq as number);
  await slow.until(() => slow.frames.some((frame) => frame.t === 'message' && frame.mid === 'last'));
  expect(got()).toEqual(range(1, count + 1));
  const behind = slow.frames.filter((frame) => frame.t === 'behind');
  expect(behind.length).toBeGreaterThan(0);
  for (const frame of behind) expect(frame).toEqual({ t: 'behind', cid, head: expect.any(Number), by: expect.any(Number) });
  slow.socket.destroy();
});

test('4: also when it was blocked by little, with nothing that is too much for the socket itself', async () => {
  const cid = await world.group('ada', 'bo');
  const slow = await RawSocket.upgrade(world.server.port);
  slow.sendFrame({ t: 'auth', jwt: await world.server.token('bo') });
  slow.sendFrame({ t: 'join', cid });
  await slow.until(() => slow.frames.some((frame) => frame.t === 'joined'));
  slow.socket.pause();
  const blocked = async () =>
    Number(/^gapless_connections_blocked_total (\d+)$/m.exec(await (await fetch(`${world.server.url}/metrics`)).text())![1]);
  const before = await blocked();
  const ada = await world.connect('ada');
  // One at a time, so that the connection is blocked as soon as it is above the mark.
  let count = 0;
  while ((await blocked()) === before) await ada.say(cid, `m${++count}`, 'x'.repeat(12_000));
  slow.socket.resume();
  await ada.say(cid, 'last');
  await slow.until(() => slow.frames.some((frame) => frame.t === 'message' && frame.mid === 'last'));
  expect(slow.frames.flatMap((frame) => (frame.t === 'message' ? [frame.seq] : []))).toEqual(range(1, count + 1));
  slow.socket.destroy();
});

test.each([{ rev: 9 }, { since: 9 }])(
  '5: a cursor beyond what is kept, %j: joined has reset, and the head is where it goes on',
  async (cursor) => {
    const cid = await world.group('ada', 'bo');
    const ada = await world.connect('ada');
    await ada.say(cid, 'm1');
    const bo = await world.connect('bo');
    expect(await bo.join(cid, cursor)).toEqual({ t: 'joined', cid, head: 1, rev: 1, lastRead: 0, reset: true });
    await ada.say(cid, 'm2');
    await bo.wait('message');
    expect(seqs(bo, cid)).toEqual([2]);
  },
);

test('5: a cursor at the head is no reset', async () => {
  const cid = await world.group('ada');
  const ada = await world.connect('ada');
  await ada.say(cid, 'm1');
  expect(await ada.join(cid, { rev: 1 })).not.toHaveProperty('reset');
  expect(await ada.join(cid, { since: 1 })).not.toHaveProperty('reset');
});
