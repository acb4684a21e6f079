import { openMemoryBroker } from '@gapless/adapters/broker/memory';
import { ROOM_FRAMES_WAITING_MAX, ROOMS_JOINED_MAX, STRANGERS_PER_ADDRESS_MAX } from '@gapless/protocol';
import { FakeClock, settled } from '@gapless/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { startRooms } from './harness.test-util.ts';

const join = (room: string) => ({ type: 'join', room });
const say = (room: string, text: string) => ({ type: 'message', room, text });

test('members get what is said, in order, the sender too; nobody else', async () => {
  const { connect } = startRooms();
  const [ada, bo, eve] = [await connect('ada'), await connect('bo'), await connect('eve')];
  await ada.send(join('r1'));
  await bo.send(join('r1'));
  await eve.send(join('r2'));
  await ada.send(...Array.from({ length: 50 }, (_, i) => say('r1', `${i}`)));
  for (const { of } of [ada, bo]) expect(of('message').map(({ data }) => data.text)).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
  expect(eve.of('message')).toEqual([]);
});

test('coming and going is told once per user, however many connections', async () => {
  const { connect, counts } = startRooms();
  const witness = await connect('witness');
  await witness.send(join('r1'));
  const [one, two] = [await connect('ada'), await connect('ada')];
  await one.send(join('r1'), join('r1'));
  await two.send(join('r1'));
  const told = (type: string) => witness.of(type).map((frame) => [frame.data.user_id, frame.sender_id]);
  expect(told('user_joined')).toEqual([
    ['witness', 'witness'],
    ['ada', 'ada'],
  ]);
  await one.send({ type: 'leave', room: 'r1' });
  expect(told('user_left')).toEqual([]);
  await two.end();
  expect(told('user_left')).toEqual([['ada', 'ada']]);
  expect(counts.joined).toBe(1);
});

test('topics without connections are gone', async () => {
  const { rooms, connect, counts } = startRooms();
  const ada = await connect('ada');
  await ada.send(...Array.from({ length: 100 }, (_, i) => join(`r${i}`)));
  expect(rooms.topics).toBe(101);
  await ada.send({ type: 'leave', room: 'r0' });
  expect(rooms.topics).toBe(100);
  await ada.end();
  expect([rooms.topics, rooms.connections.size, counts.joined]).toEqual([0, 0, 0]);
});

test('two nodes on one broker are one', async () => {
  const shared = { broker: openMemoryBroker(), clock: new FakeClock() };
  const [one, two] = [startRooms(shared), startRooms(shared)];
  const [ada, bo, alsoBo] = [await one.connect('ada'), await two.connect('bo'), await one.connect('bo')];
  await ada.send(join('r1'));
  await bo.send(join('r1'));
  expect(ada.of('user_joined').map(({ data }) => data.user_id)).toEqual(['ada', 'bo']);
  await bo.send(say('r1', 'hello'));
  await ada.send({ type: 'direct', data: { to: 'bo', text: 'psst' } });
  await one.rooms.system('r1', { notice: 1 });
  await settled();
  expect(ada.of('message')).toHaveLength(1);
  for (const client of [bo, alsoBo]) expect(client.of('direct')).toMatchObject([{ sender_id: 'ada', room: null, data: { text: 'psst' } }]);
  for (const client of [ada, bo]) expect(client.of('system')).toMatchObject([{ sender_id: null, room: 'r1', data: { notice: 1 } }]);
});

test('the policy is asked at the join and at every message, and may take its time', async () => {
  let open = true;
  const policy = async (_user: unknown, room: string) => {
    await Promise.resolve();
    return open && room === 'ours';
  };
  const { connect } = startRooms({ policy });
  const ada = await connect('ada');
  await ada.send(join('theirs'), join('ours'), say('ours', 'one'));
  open = false;
  await ada.send(say('ours', 'two'), { type: 'ping' });
  expect(ada.frames.map(({ type, data }) => (type === 'error' ? data.message : type))).toEqual([
    'welcome',
    'forbidden',
    'user_joined',
    'message',
    'forbidden',
    'pong',
  ]);
});

test('rooms of one connection are bounded', async () => {
  const { connect } = startRooms();
  const ada = await connect('ada');
  await ada.send(...Array.from({ length: ROOMS_JOINED_MAX + 1 }, (_, i) => join(`r${i}`)));
  expect(ada.connection.rooms.size).toBe(ROOMS_JOINED_MAX);
  expect(ada.of('error')).toMatchObject([{ room: `r${ROOMS_JOINED_MAX}`, data: { message: 'forbidden' } }]);
});

describe('a slow connection', () => {
  const texts = (client: { of(type: string): { data: Record<string, unknown> }[] }) => client.of('message').map(({ data }) => data.text);

  test.each([
    ['drop_oldest', ['7', '8', '9'], 7],
    ['drop_new', ['0', '1', '2'], 7],
  ] as const)('%s: costs the quick one nothing, and hears of its gap', async (overflow, kept, dropped) => {
    const { connect, counts } = startRooms({ queue: { max: 3, overflow } });
    const [quick, slow] = [await connect('quick'), await connect('slow')];
    await quick.send(join('r1'));
    await slow.send(join('r1'));
    slow.transport.writable = false;
    for (let i = 0; i < 10; i++) await quick.send(say('r1', `${i}`));
    expect(texts(quick)).toHaveLength(10);
    expect(counts[`dropped ${overflow}`]).toBe(dropped);
    await slow.drain();
    expect(texts(slow)).toEqual(kept);
    expect(slow.of('system')).toMatchObject([{ room: null, data: { dropped } }]);
  });

  test('disconnect: is closed 1013, and its user has left', async () => {
    const { connect, counts } = startRooms({ queue: { max: 3, overflow: 'disconnect' } });
    const [quick, slow] = [await connect('quick'), await connect('slow')];
    await quick.send(join('r1'));
    await slow.send(join('r1'));
    slow.transport.writable = false;
    for (let i = 0; i < 5; i++) await quick.send(say('r1', `${i}`));
    expect(slow.transport.closedWith).toBe(1013);
    expect(quick.of('user_left').map(({ data }) => data.user_id)).toEqual(['slow']);
    expect(counts['closed queue_overflow']).toBe(1);
  });
});

describe('authentication', () => {
  test.each([
    ['a bad token', { t: 'auth', jwt: 'bad' }],
    ['no token', { type: 'auth' }],
    ['another frame first', { type: 'ping' }],
  ])('%s: 1008', async (_name, frame) => {
    const { open } = startRooms();
    const client = open();
    await client.send(frame);
    expect([client.transport.closedWith, client.frames]).toEqual([1008, []]);
  });

  test('no token within 5 s: 1008; silence for 45 s: 4408; pings in between', async () => {
    const { open, connect, clock } = startRooms();
    const [mute, ada] = [open(), await connect('ada')];
    await clock.advance(6_000);
    expect(mute.transport.closedWith).toBe(1008);
    await clock.advance(36_000);
    expect(ada.transport.closedWith).toBeUndefined();
    expect(ada.transport.pings).toBeGreaterThanOrEqual(2);
    await clock.advance(4_000);
    expect(ada.transport.closedWith).toBe(4408);
  });

  test('a token that cannot be checked is not called bad', async () => {
    const { connect, clock } = startRooms({ verifierHangs: true });
    const ada = await connect('ada');
    await clock.advance(6_000);
    expect(ada.transport.closedWith).toBeUndefined();
    await clock.advance(5_000);
    expect(ada.transport.closedWith).toBe(1013);
  });

  test('one address may have so many connections without a token', async () => {
    const { open, token } = startRooms({ rateLimits: true });
    const strangers = Array.from({ length: STRANGERS_PER_ADDRESS_MAX }, () => open());
    expect(open().transport.closedWith).toBe(4429);
    expect(open('192.0.2.2').transport.closedWith).toBeUndefined();
    await strangers[0]!.send({ t: 'auth', jwt: token('ada') });
    expect(open().transport.closedWith).toBeUndefined();
  });

  test('a later token of the same user renews, of another closes; one that ran out closes after the grace', async () => {
    const { connect, token, clock } = startRooms();
    const [ada, bo, eve] = [await connect('ada', { lifeMs: 1_000 }), await connect('bo', { lifeMs: 1_000 }), await connect('eve')];
    await ada.send({ type: 'auth', jwt: token('ada') });
    expect(ada.of('welcome')).toHaveLength(2);
    await clock.advance(30_000);
    await ada.send({ type: 'ping' });
    await bo.send({ type: 'ping' });
    await clock.advance(5_000);
    expect([ada.transport.closedWith, bo.transport.closedWith]).toEqual([undefined, 1008]);
    await eve.send({ type: 'auth', jwt: token('ada') });
    expect(eve.transport.closedWith).toBe(1008);
  });

  test('frames right behind the token wait for its outcome, in their order', async () => {
    const { open, token } = startRooms();
    const client = open();
    await client.send({ t: 'auth', jwt: token('ada') }, { type: 'ping' }, join('r1'), { type: 'nothing' }, say('r1', 'x'));
    expect(client.frames.map(({ type }) => type)).toEqual(['welcome', 'pong', 'user_joined', 'error', 'message']);
  });
});

describe('beyond its rate', () => {
  test('a client is read more slowly, and nothing is lost', async () => {
    const { connect, clock } = startRooms({ rateLimits: true });
    const ada = await connect('ada');
    await ada.send(...Array.from({ length: 300 }, () => ({ type: 'ping' })));
    expect(ada.transport.reading).toBe(false);
    const early = ada.of('pong').length;
    expect(early).toBeLessThan(150);
    await clock.advance(5_000);
    expect([ada.of('pong').length, ada.transport.reading]).toEqual([300, true]);
  });

  test('one that goes on regardless is closed 4429', async () => {
    const { connect } = startRooms({ rateLimits: true });
    const ada = await connect('ada');
    await ada.send(...Array.from({ length: ROOM_FRAMES_WAITING_MAX + 200 }, () => ({ type: 'ping' })));
    expect(ada.transport.closedWith).toBe(4429);
  });
});

describe('anything at all', () => {
  const NAMES = ['room required', 'forbidden', 'unknown type', 'bad json'];
  const keys = fc.constantFrom('type', 'room', 'data', 'text', 't', 'jwt', 'to', '__proto__', 'constructor');
  const words = fc.constantFrom(
    'join',
    'leave',
    'message',
    'direct',
    'ping',
    'pong',
    'JOIN',
    'r1',
    ' r1 ',
    'private:bo',
    '',
    'toString',
    'ada',
  );
  const leaf = fc.oneof(words, fc.jsonValue(), fc.string());
  const object = fc.dictionary(keys, fc.oneof(leaf, fc.dictionary(keys, leaf)));
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string().map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(text)),
    object.map((value) => Buffer.from(JSON.stringify(value))),
  );

  test('is answered by one of the four errors, by a reply, or by nothing', async () => {
    const { connect, rooms, token } = startRooms();
    const witness = await connect('witness');
    await witness.send(join('r1'));
    let ada = await connect('ada');
    await fc.assert(
      fc.asyncProperty(fc.array(input, { maxLength: 20 }), async (batch) => {
        if (ada.transport.closedWith !== undefined) ada = await connect('ada');
        const before = ada.frames.length;
        for (const bytes of batch) ada.raw(bytes);
        await settled();
        for (const frame of ada.frames.slice(before)) {
          expect(Object.keys(frame)).toEqual(['type', 'room', 'data', 'ts', 'sender_id']);
          if (frame.type === 'error') expect(NAMES).toContain(frame.data.message);
        }
        // A random auth frame is a bad token; nothing else ends a connection.
        if (ada.transport.closedWith !== undefined) expect(ada.transport.closedWith).toBe(1008);
      }),
      { numRuns: 300 },
    );
    await witness.send(say('r1', 'still here'), { type: 'auth', jwt: token('witness') });
    expect(witness.of('message').at(-1)?.data).toEqual({ text: 'still here' });
    expect(rooms.connections.has(witness.connection)).toBe(true);
  });
});
