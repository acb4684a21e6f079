import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { FRAME_MAX_BYTES } from '@gapless/protocol';
import { HttpClient, launchServer, signToken } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import { RoomClient } from './room-client.ts';
import { range, useServer } from './world.ts';

// PROTOCOL, section 8: the rooms dialect on /api/v1/ws.

const world = useServer();
const connect = (user: string, role: 'user' | 'admin' = 'user') => RoomClient.connect(world.server.url, user, { role });
const open = (options: { query?: string; ws?: object } = {}) => RoomClient.open({ url: world.server.url, ...options });
/** Rooms of other tests are theirs. */
const newRoom = (kind = 'r') => `${kind}-${randomUUID()}`;

async function metric(url: string, line: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `));
  return found === undefined ? 0 : Number(found.slice(line.length + 1));
}

async function untilMetric(url: string, line: string, holds: (value: number) => boolean): Promise<number> {
  for (;;) {
    const value = await metric(url, line);
    if (holds(value)) return value;
    await sleep(20);
  }
}

describe('envelopes', () => {
  test('every one has all five keys, and its time in UTC', async () => {
    const room = newRoom();
    const ada = await connect('ada');
    ada.send({ type: 'join', room }, { type: 'message', room, text: 'x' }, { type: 'direct', data: { to: 'ada' } }, { type: 'nothing' });
    await ada.settle();
    const admin = new HttpClient(world.server.url, await signToken('backend', { role: 'admin' }));
    expect((await admin.call('POST', `/v1/rooms/${room}/system`, { data: { a: 1 } })).status).toBe(202);
    await ada.wait('system');
    const types = new Set(ada.frames.map(({ type }) => type));
    expect(types).toEqual(new Set(['welcome', 'user_joined', 'message', 'direct', 'error', 'pong', 'system']));
    for (const frame of ada.frames) {
      expect(Object.keys(frame)).toEqual(['type', 'room', 'data', 'ts', 'sender_id']);
      expect(frame.ts).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(Math.abs(Date.parse(frame.ts) - Date.now())).toBeLessThan(60_000);
    }
    expect(ada.frames[0]).toMatchObject({ type: 'welcome', room: null, data: { user_id: 'ada' }, sender_id: null });
    expect(ada.of('pong')[0]).toMatchObject({ room: null, data: {}, sender_id: null });
  });

  test('the type in any case, the room trimmed, a pong ignored', async () => {
    const room = newRoom();
    const ada = await connect('ada');
    ada.send({ type: 'JOIN', room: `  ${room}\t` }, { type: 'pong' }, { type: ' Message ', room: ` ${room}`, text: 'x' });
    expect(await ada.wait('message')).toMatchObject({ room, data: { text: 'x' }, sender_id: 'ada' });
    await ada.settle();
    expect(ada.errors()).toEqual([]);
  });
});

describe('messages', () => {
  test('text or data, to all who joined, the sender too; not to others, and not after leaving', async () => {
    const room = newRoom();
    const [ada, bo, eve] = [await connect('ada'), await connect('bo'), await connect('eve')];
    for (const member of [ada, bo]) await member.join(room);
    await eve.join(newRoom());
    ada.send(
      { type: 'message', room, text: 'grüße 👋' },
      { type: 'message', room, data: { n: [1, { deep: null }] } },
      { type: 'message', room },
    );
    for (const member of [ada, bo]) {
      await member.wait('message', () => member.of('message').length === 3);
      expect(member.of('message').map(({ data, sender_id }) => [data, sender_id])).toEqual([
        [{ text: 'grüße 👋' }, 'ada'],
        [{ n: [1, { deep: null }] }, 'ada'],
        [{}, 'ada'],
      ]);
    }
    bo.send({ type: 'leave', room });
    await bo.settle();
    ada.send({ type: 'message', room, text: 'later' });
    await ada.wait('message', ({ data }) => data.text === 'later');
    await Promise.all([bo.settle(), eve.settle()]);
    expect([bo.of('message').length, eve.of('message').length]).toEqual([3, 0]);
    expect(ada.of('user_left')).toMatchObject([{ room, data: { user_id: 'bo' }, sender_id: 'bo' }]);
  });

  test('of one sender come in order, to every member', async () => {
    const room = newRoom();
    const [ada, bo] = [await connect('ada'), await connect('bo')];
    for (const member of [ada, bo]) await member.join(room);
    const texts = range(1, 2_000).map(String);
    ada.send(...texts.map((text) => ({ type: 'message', room, text })));
    for (const member of [ada, bo]) {
      await member.wait('message', ({ data }) => data.text === '2000');
      expect(member.texts()).toEqual(texts);
    }
  });

  test('joined and left are told once per user and room, also when the connection just ends', async () => {
    const room = newRoom();
    const witness = await connect('witness');
    await witness.join(room);
    const [one, two] = [await connect('ada'), await connect('ada')];
    await one.join(room, room);
    await two.join(room);
    one.socket.terminate();
    await one.closed;
    two.send({ type: 'message', room, text: 'still here' });
    await witness.wait('message');
    expect(witness.of('user_left')).toEqual([]);
    two.socket.terminate();
    await witness.wait('user_left');
    expect([witness.of('user_joined'), witness.of('user_left')].map((told) => told.map(({ data }) => data.user_id))).toEqual([
      ['witness', 'ada'],
      ['ada'],
    ]);
  });

  test('direct reaches every connection of the user, in no room', async () => {
    const [ada, one, two, eve] = [await connect('ada'), await connect('bo'), await connect('bo'), await connect('eve')];
    ada.send({ type: 'direct', data: { to: 'bo', text: 'psst' } });
    for (const client of [one, two])
      expect(await client.wait('direct')).toMatchObject({ room: null, data: { to: 'bo', text: 'psst' }, sender_id: 'ada' });
    ada.send({ type: 'direct', data: { to: 'nobody-there', text: 'psst' } });
    await Promise.all([ada.settle(), eve.settle()]);
    expect([ada.errors(), ada.of('direct'), eve.of('direct')]).toEqual([[], [], []]);
  });
});

describe('errors', () => {
  test.each([
    ['a join without a room', { type: 'join' }, 'room required'],
    ['a join of a blank room', { type: 'join', room: ' \t' }, 'room required'],
    ['a join of a room that is no string', { type: 'join', room: 7 }, 'room required'],
    ['a leave without a room', { type: 'leave' }, 'room required'],
    ['a message without a room', { type: 'message', text: 'x' }, 'room required'],
    ['a message to a room not joined', { type: 'message', room: 'public:lobby', text: 'x' }, 'forbidden'],
    ['a room of someone else', { type: 'join', room: 'private:bo' }, 'forbidden'],
    ['a name that is too long', { type: 'join', room: 'x'.repeat(129) }, 'forbidden'],
    ['an unknown type', { type: 'shout', room: 'r' }, 'unknown type'],
    ['a type that objects have', { type: 'constructor' }, 'unknown type'],
    ['no type', { room: 'r' }, 'unknown type'],
    ['a direct message to nobody', { type: 'direct', data: { text: 'x' } }, 'bad json'],
    ['what is no JSON', '{', 'bad json'],
    ['JSON that is no object', '[{"type":"ping"}]', 'bad json'],
    ['binary', Buffer.from('{"type":"ping"}'), 'bad json'],
    ['nothing', '', 'bad json'],
  ])('%s: %j is %s, and the connection goes on', async (_name, sent, message) => {
    const ada = await connect('ada');
    ada.socket.send(typeof sent === 'string' || Buffer.isBuffer(sent) ? sent : JSON.stringify(sent));
    await ada.settle();
    expect(ada.errors()).toEqual([message]);
  });

  test('a frame over 64 KiB closes 1009', async () => {
    const ada = await connect('ada');
    ada.send({ type: 'message', room: 'r', text: 'x'.repeat(FRAME_MAX_BYTES) });
    expect(await ada.closed).toBe(1009);
  });
});

describe('rights', () => {
  test('public is open; private is for its user and admins; what is joined may be sent to', async () => {
    const uid = newRoom('user');
    const [owner, other, admin] = [await connect(uid), await connect('other'), await connect('boss', 'admin')];
    const rooms = [`private:${uid}`, 'public:lobby', newRoom()];
    for (const client of [owner, other, admin]) await client.join(...rooms);
    expect([owner.errors(), other.errors(), admin.errors()]).toEqual([[], ['forbidden'], []]);
    for (const client of [owner, other, admin]) client.send(...rooms.map((room) => ({ type: 'message', room, text: 'x' })));
    await Promise.all([owner, other, admin].map((client) => client.settle()));
    expect([owner.errors(), other.errors(), admin.errors()]).toEqual([[], ['forbidden', 'forbidden'], []]);
    await owner.wait('message', () => owner.of('message').length === 8);
    expect(other.of('message').filter(({ room }) => room === `private:${uid}`)).toEqual([]);
  });

  test('system notices are for the backend', async () => {
    const room = newRoom('public:');
    const [ada, eve] = [await connect('ada'), await connect('eve')];
    await ada.join(room);
    await eve.join(newRoom());
    const path = `/v1/rooms/${encodeURIComponent(room)}/system`;
    const backend = world.backend;
    expect((await backend.call('POST', path, { data: { maintenance: true } })).status).toBe(202);
    expect(await ada.wait('system')).toMatchObject({ room, data: { maintenance: true }, sender_id: null });
    expect(await (await world.http('ada')).call('POST', path, { data: {} })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await new HttpClient(world.server.url).call('POST', path, { data: {} })).status).toBe(401);
    for (const [at, body] of [
      [path, {}],
      [path, { data: 'x' }],
      ['/v1/rooms/%20/system', { data: {} }],
      [`/v1/rooms/${'x'.repeat(129)}/system`, { data: {} }],
    ] as const)
      expect(await backend.call('POST', at, body)).toMatchObject({ status: 400, body: { code: 'bad_frame' } });
    await eve.settle();
    expect([ada.of('system').length, eve.of('system').length]).toEqual([1, 0]);
  });
});

describe('authentication', () => {
  test('by Bearer, by ?token= and by the first frame', async () => {
    const token = await signToken('ada');
    const first = [await open(), await open()];
    first[0]!.send({ t: 'auth', jwt: token });
    first[1]!.send({ type: 'auth', jwt: token });
    const ways = [
      ...first,
      await open({ query: `?token=${token}` }),
      await open({ ws: { headers: { authorization: `Bearer ${token}` } } }),
    ];
    for (const client of ways) {
      expect(await client.wait('welcome')).toMatchObject({ data: { user_id: 'ada' } });
      await client.settle();
    }
  });

  test('a refusal is accepted first, then closed 1008, in all three ways', async () => {
    for (const token of ['nonsense', await signToken('ada', { lifeSec: -1 })]) {
      const first = await open();
      first.send({ t: 'auth', jwt: token });
      for (const client of [
        first,
        await open({ query: `?token=${token}` }),
        await open({ ws: { headers: { authorization: `Bearer ${token}` } } }),
      ])
        expect([await client.closed, client.frames]).toEqual([1008, []]);
    }
  });

  test('another frame first: 1008; none within 5 s: 1008', async () => {
    const [hasty, mute] = [await open(), await open()];
    hasty.send({ type: 'ping' });
    expect(await hasty.closed).toBe(1008);
    expect(await mute.closed).toBe(1008);
    expect([...hasty.frames, ...mute.frames]).toEqual([]);
  });

  test('a sign-out ends live connections', async () => {
    const http = new HttpClient(world.server.url);
    const { body } = await http.call('POST', '/v1/auth/register', {
      username: newRoom('u').slice(0, 30),
      password: 'a long enough password',
    });
    const client = await open({ query: `?token=${body.accessToken}` });
    await client.wait('welcome');
    await new HttpClient(world.server.url, body.accessToken).call('POST', '/v1/auth/logout');
    expect(await client.closed).toBe(1008);
  });

  test('a page of another origin is refused', async () => {
    const query = `?token=${await signToken('ada')}`;
    await expect(open({ query, ws: { origin: 'https://evil.example' } })).rejects.toThrow('403');
    await (await open({ query, ws: { origin: world.server.url } })).wait('welcome');
  });
});

test('metrics count connections and joined rooms up and down', async () => {
  const { url } = world.server;
  const before = await metric(url, 'gapless_rooms_joined');
  const ada = await connect('ada');
  await ada.join(newRoom(), newRoom());
  expect(await metric(url, 'gapless_rooms_joined')).toBe(before + 2);
  expect(await metric(url, 'gapless_rooms_frames_in_total{type="join"}')).toBeGreaterThanOrEqual(2);
  expect(await metric(url, 'gapless_rooms_messages_out_total')).toBeGreaterThanOrEqual(2);
  const live = await metric(url, 'gapless_rooms_connections');
  ada.socket.terminate();
  await untilMetric(url, 'gapless_rooms_joined', (value) => value === before);
  await untilMetric(url, 'gapless_rooms_connections', (value) => value < live);
});

describe('a client that does not read', () => {
  const MAX = 10;

  /** Fills the buffers of a slow member of a room until messages are dropped, or it is closed; the quick one misses nothing. */
  async function overflow(policy: string, fact: string) {
    const server = await launchServer({
      env: { REALTIME_WS_SEND_QUEUE_MAX: String(MAX), REALTIME_WS_SEND_OVERFLOW_POLICY: policy },
    });
    const [quick, slow] = [await RoomClient.connect(server.url, 'quick'), await RoomClient.connect(server.url, 'slow')];
    for (const client of [quick, slow]) await client.join('r1');
    slow.socket.pause();
    const filler = 'x'.repeat(32_000);
    let sent = 0;
    const say = async () => {
      const text = `${++sent}`;
      quick.send({ type: 'message', room: 'r1', data: { text, filler } });
      await quick.wait('message', ({ data }) => data.text === text);
    };
    while ((await metric(server.url, fact)) === 0) for (let i = 0; i < 20; i++) await say();
    return { server, quick, slow, say, sent: () => sent };
  }

  test.each(['drop_oldest', 'drop_new'])('%s: gets the rest in order, hears how much is missing, and goes on', async (policy) => {
    const fact = `gapless_rooms_dropped_total{policy="${policy}"}`;
    const { server, quick, slow, say, sent } = await overflow(policy, fact);
    for (let i = 0; i < 5; i++) await say();
    const dropped = await metric(server.url, fact);
    const total = sent();
    slow.socket.resume();
    const gap = await slow.wait('system');
    expect(gap).toMatchObject({ room: null, data: { dropped } });
    await slow.settle();
    const got = slow.texts().map(Number);
    expect(got).toEqual(got.toSorted((a, b) => a - b));
    expect(got).toHaveLength(total - dropped);
    // The oldest are in the kernel's hands long since: what is missing is in the middle, or at the end.
    expect(got.slice(-MAX)).toEqual(
      policy === 'drop_oldest' ? range(total - MAX + 1, total) : range(total - dropped - MAX + 1, total - dropped),
    );
    await say();
    await slow.wait('message', ({ data }) => data.text === String(total + 1));
    expect(quick.texts()).toEqual(range(1, total + 1).map(String));
    expect(slow.of('system')).toHaveLength(1);
    expect(await server.stop()).toBe(0);
  });

  test('disconnect: closed 1013', async () => {
    const { server, quick, slow } = await overflow('disconnect', 'gapless_closes_total{reason="queue_overflow"}');
    slow.socket.resume();
    expect(await slow.closed).toBe(1013);
    expect(await quick.wait('user_left')).toMatchObject({ room: 'r1', data: { user_id: 'slow' } });
    expect(await server.stop()).toBe(0);
  });

  test.each([
    [
      { REALTIME_WS_SEND_OVERFLOW_POLICY: 'drop_some' },
      /REALTIME_WS_SEND_OVERFLOW_POLICY: "drop_some" .*drop_oldest, drop_new, disconnect/,
    ],
    [{ REALTIME_WS_SEND_QUEUE_MAX: '0' }, /REALTIME_WS_SEND_QUEUE_MAX: "0" .*whole number from 1/],
  ])('%j stops the start with one line', async (env, line) => {
    await expect(launchServer({ env: env as Record<string, string> })).rejects.toThrow(line);
  });
});

test('SIGTERM closes connections 1001', async () => {
  const server = await launchServer();
  const ada = await RoomClient.connect(server.url, 'ada');
  expect(await server.stop()).toBe(0);
  expect(await ada.closed).toBe(1001);
});
