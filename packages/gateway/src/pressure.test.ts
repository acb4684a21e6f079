import { ADDRESS_FRAMES_BURST } from '@gapless/protocol';
import { settled } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import { startGateway } from './harness.test-util.ts';
import { type Backpressure, GATEWAY_LIMITS } from './limits.ts';

// Goal: what a connection that does not read, or a flood, may cost; and that each switch gives the old behaviour. Method: connections
// without a network, whose unsent bytes are set by hand.

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A slow reader of a conversation with `count` messages behind it, over the marks given. */
async function slowReader(changes: Partial<Backpressure>, count = 1_000) {
  const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 10_000, highWaterBytes: 20_000, ...changes };
  const world = await startGateway({ limits: { backpressure } });
  const cid = await world.group('ada', 'bo', 'cy');
  const slow = await world.connect('bo');
  await slow.send({ t: 'join', cid });
  slow.transport.writable = false;
  for (let round = 0; round < count / 100; round++) await world.say('ada', cid, 100, `r${round}`);
  return { ...world, cid, slow, backpressure };
}

describe('water marks', () => {
  test('from the high mark down to the low one nothing is written; at the low one it goes on', async () => {
    const { slow, cid, gateway } = await slowReader({});
    const at = async (bytes: number) => {
      slow.transport.bufferedBytes = bytes;
      gateway.drained(slow.session);
      await settled();
      return slow.of('message').length;
    };
    const before = slow.of('message').length;
    expect(before).toBeLessThan(1_000);
    expect(await at(19_999)).toBe(before);
    expect(await at(10_001)).toBe(before);
    expect(slow.of('behind')).toEqual([]);
    expect(await at(10_000)).toBeGreaterThan(before);
    expect(slow.of('behind')).toEqual([{ t: 'behind', cid, head: 1_000, by: 1_000 - before }]);
  });

  test('off: everything is written at once, and nobody is closed', async () => {
    const { slow, cid, clock } = await slowReader({ enabled: false, closeUnwritableAfterMs: 1_000 });
    expect(slow.seqs(cid)).toEqual(range(1, 1_000));
    await clock.advance(10_000);
    expect([slow.transport.closedWith, slow.transport.reading]).toEqual([undefined, true]);
  });

  test('switched off while a connection waits: what waits goes out', async () => {
    const { slow, cid, clock, backpressure } = await slowReader({ closeUnwritableAfterMs: -1 });
    expect(slow.seqs(cid).length).toBeLessThan(1_000);
    backpressure.enabled = false;
    await clock.advance(1_000);
    expect(slow.seqs(cid)).toEqual(range(1, 1_000));
    expect(slow.transport.reading).toBe(true);
  });

  test('without dropping: it is written to above the mark, and closed without progress all the same', async () => {
    const { slow, cid, clock } = await slowReader({ dropWhenUnwritable: false });
    expect(slow.seqs(cid)).toEqual(range(1, 1_000));
    expect(slow.transport.reading).toBe(true);
    await clock.advance(5_000);
    expect(slow.transport.closedWith).toBe(4409);
  });

  test('a negative time: never closed', async () => {
    const { slow, clock } = await slowReader({ closeUnwritableAfterMs: -1 });
    await clock.advance(40_000);
    expect(slow.transport.closedWith).toBeUndefined();
  });
});

describe('classes', () => {
  test('a critical frame to an unwritable connection closes it', async () => {
    const { slow } = await slowReader({ closeUnwritableAfterMs: -1 });
    expect(slow.transport.closedWith).toBeUndefined();
    await slow.raw('{"t":"nothing"}');
    expect([slow.transport.closedWith, slow.transport.terminated]).toEqual([4409, true]);
    const other = await slowReader({ closeUnwritableAfterMs: -1 });
    other.gateway.kick(() => true, 'You were signed out.');
    expect(other.slow.transport.closedWith).toBe(4403);
  });

  test('ephemeral frames are dropped for an unwritable connection; receipts are merged and come later', async () => {
    const { slow, cid, connect } = await slowReader({ closeUnwritableAfterMs: -1 });
    const cy = await connect('cy');
    await cy.send({ t: 'typing', cid, on: true });
    for (const pos of range(1, 50)) await cy.send({ t: 'read', cid, pos });
    await slow.drain();
    for (let i = 0; i < 60; i++) await slow.drain();
    expect(slow.of('typing')).toEqual([]);
    expect(slow.of('read').filter(({ from }) => from === 'cy')).toHaveLength(1);
    expect(slow.seqs(cid)).toEqual(range(1, 1_000));
  });

  test('a flood of typing costs listeners two frames a second, and its last state is told', async () => {
    const { connect, group, clock } = await startGateway();
    const cid = await group('ada', 'bo');
    const [ada, bo] = [await connect('ada'), await connect('bo')];
    for (const client of [ada, bo]) await client.send({ t: 'join', cid });
    for (const i of range(1, 200)) {
      await ada.send({ t: 'typing', cid, on: i % 2 === 1 });
      await clock.advance(20);
    }
    // 4 seconds: the burst of four and two a second.
    expect(bo.of('typing').length).toBeLessThanOrEqual(4 + 2 * 4 + 1);
    await clock.advance(1_500);
    expect(bo.of('typing').at(-1)).toMatchObject({ from: 'ada', on: false });
    const told = bo.of('typing').length;
    for (let i = 0; i < 40; i++) {
      await ada.send({ t: 'typing', cid, on: true });
      await clock.advance(100);
    }
    // Held down for 4 seconds: it must not die with who listens, and needs no more than every two.
    expect(bo.of('typing').length - told).toBeLessThanOrEqual(3);
    expect(bo.of('typing').at(-1)).toMatchObject({ on: true });
  });
});

describe('floods', () => {
  test('the connections of one address share a bucket', async () => {
    const { connect, clock } = await startGateway({ rateLimits: true });
    const clients = await Promise.all(range(1, 80).map((i) => connect(`u${i}`)));
    let sent = 0;
    for (const client of clients) {
      for (let i = 0; i < 100; i++, sent++) client.send({ t: 'ping' });
      await settled();
    }
    const pongs = clients.reduce((sum, client) => sum + client.of('pong').length, 0);
    expect(sent).toBeGreaterThan(ADDRESS_FRAMES_BURST);
    expect(pongs).toBeLessThanOrEqual(ADDRESS_FRAMES_BURST);
    expect(clients.at(-1)!.of('error')[0]).toMatchObject({ code: 'rate_limited', retryAfterMs: expect.any(Number) });
    await clock.advance(1_000);
    const before = clients.at(-1)!.of('pong').length;
    await clients.at(-1)!.send({ t: 'ping' });
    expect(clients.at(-1)!.of('pong').length).toBe(before + 1);
  });

  test('joins read the store some at a time; all are answered in their order', async () => {
    const { connect, group, store } = await startGateway();
    const cid = await group(...range(1, 200).map((i) => `u${i}`));
    const heads = store.heads;
    let running = 0;
    let most = 0;
    store.heads = async (...args) => {
      most = Math.max(most, ++running);
      await settled();
      running--;
      return heads(...args);
    };
    const clients = await Promise.all(range(1, 200).map((i) => connect(`u${i}`)));
    await Promise.all(clients.map((client) => client.send({ t: 'join', cid })));
    for (let i = 0; i < 20; i++) await settled();
    expect(most).toBe(32);
    expect(clients.every((client) => client.of('joined').length === 1)).toBe(true);
  });
});

describe('one session per user', () => {
  test('the newest wins: the older gets kick, then 4403', async () => {
    const { connect } = await startGateway({ singleSession: true });
    const [first, other] = [await connect('ada'), await connect('bo')];
    const second = await connect('ada');
    expect(first.of('kick')).toEqual([{ t: 'kick', code: 'replaced', msg: 'You connected from elsewhere.' }]);
    expect([first.transport.closedWith, second.transport.closedWith, other.transport.closedWith]).toEqual([4403, undefined, undefined]);
    expect(second.of('ready')).toHaveLength(1);
  });

  test('another connection of the same device replaces nobody: it changes its transport', async () => {
    const { connect } = await startGateway({ singleSession: true });
    const stream = await connect('ada', { device: 'phone' });
    const socket = await connect('ada', { device: 'phone' });
    expect([stream.transport.closedWith, socket.transport.closedWith]).toEqual([undefined, undefined]);
    await connect('ada', { device: 'desk' });
    expect([stream.transport.closedWith, socket.transport.closedWith]).toEqual([4403, 4403]);
  });

  test('the app’s backend is not counted, even under the same name', async () => {
    const { connect } = await startGateway({ singleSession: true });
    const backend = await connect('ops');
    backend.session.token = { ...backend.session.token!, role: 'admin' };
    await connect('ops');
    expect(backend.transport.closedWith).toBeUndefined();
  });

  test('a renewed token on the same connection replaces nobody; off, all stay', async () => {
    const single = await startGateway({ singleSession: true });
    const ada = await single.connect('ada');
    await ada.send({ t: 'auth', jwt: single.token('ada') });
    expect([ada.of('ready').length, ada.transport.closedWith]).toEqual([2, undefined]);
    const many = await startGateway();
    const clients = [await many.connect('ada'), await many.connect('ada')];
    expect(clients.map((client) => client.transport.closedWith)).toEqual([undefined, undefined]);
  });
});

describe('what one write may hold', () => {
  test('a sync of much state goes out in parts, each within the high mark', async () => {
    const { connect, group, say, chat } = await startGateway();
    const users = range(1, 100).map((n) => `user-with-a-usual-name-${n}`);
    const cids: string[] = [];
    for (const n of range(1, 100)) {
      const cid = await group(...users);
      cids.push(cid);
      await say(users[0]!, cid, 1, `m${n}`);
      for (const uid of users) void chat.read({ uid, role: 'user' }, cid, 1);
    }
    await settled();
    const client = await connect(users[1]!);
    await client.send({ t: 'sync', convs: cids.map((cid) => ({ cid, rev: 0 })) });
    for (let i = 0; i < 20; i++) await settled();
    expect(client.of('read')).toHaveLength(100 * 99);
    expect(client.of('message')).toHaveLength(100);
    const t = client.frames.map((frame) => frame.t);
    expect(t.lastIndexOf('joined')).toBeLessThan(t.indexOf('message'));
    const most = Math.max(...client.transport.writes.map(({ length }) => length));
    expect(most).toBeLessThan(GATEWAY_LIMITS.backpressure.highWaterBytes + 64 * 1024);
  });

  test('a page from the store is not written between the marks, and progress there is progress', async () => {
    const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 10_000, highWaterBytes: 100_000, closeUnwritableAfterMs: 3_000 };
    const { connect, group, say, store, gateway, clock } = await startGateway({ limits: { backpressure } });
    const cid = await group('ada', 'bo');
    for (const round of range(1, 2)) await say('ada', cid, 100, `r${round}`, 'x'.repeat(1_000));
    await clock.advance(10_000);
    const { replay } = store;
    let open = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    store.replay = (...args) => gate.then(() => replay(...args));
    const bo = await connect('bo');
    await bo.send({ t: 'join', cid, rev: 0 });
    bo.transport.writable = false;
    bo.transport.bufferedBytes = 100_000;
    await bo.send({ t: 'ping' });
    bo.transport.bufferedBytes = 90_000;
    gateway.drained(bo.session);
    const before = bo.transport.writes.length;
    open();
    await settled();
    expect(bo.transport.writes.length).toBe(before);
    for (const left of [75_000, 60_000, 45_000, 30_000, 15_000]) {
      bo.transport.bufferedBytes = left;
      gateway.drained(bo.session);
      await clock.advance(1_000);
    }
    expect(bo.transport.closedWith).toBeUndefined();
    for (let i = 0; i < 10; i++) await bo.drain();
    expect(bo.seqs(cid)).toEqual(range(1, 200));
  });

  test('who reads again after a minute is not called silent', async () => {
    const { slow, clock } = await slowReader({ closeUnwritableAfterMs: -1 });
    await clock.advance(60_500);
    await slow.drain();
    await clock.advance(500);
    expect(slow.transport.closedWith).toBeUndefined();
  });
});

test('a tail keeps more for many listeners', async () => {
  const tail = { maxBytes: 1_000, bytesPerListener: 1_000, ceilingBytes: 1e6, maxAgeMs: 1e6 };
  const { connect, group, say, store } = await startGateway({ limits: { tail } });
  const users = range(1, 40).map((n) => `u${n}`);
  const cid = await group(...users);
  const clients = await Promise.all(users.map((user) => connect(user)));
  for (const client of clients) await client.send({ t: 'join', cid });
  clients[1]!.transport.bufferedBytes = 1e9;
  await say('u1', cid, 100);
  const { replay } = store;
  let reads = 0;
  store.replay = (...args) => {
    reads++;
    return replay(...args);
  };
  await clients[1]!.drain();
  expect(clients[1]!.seqs(cid)).toEqual(range(1, 100));
  expect(reads).toBe(0);
});

test('beside live messages, reading on from the store rests as long as it worked; alone it does not', async () => {
  const { connect, group, say, store, clock } = await startGateway({ limits: { catchUpShareMs: 1 } });
  const [old, live] = [await group('ada', 'bo'), await group('ada', 'bo')];
  for (const round of range(1, 10)) await say('ada', old, 100, `r${round}`);
  await clock.advance(10_000);
  const { replay } = store;
  store.replay = async (...args) => {
    const until = performance.now() + 2;
    while (performance.now() < until);
    return replay(...args);
  };
  // The last message was more than a moment ago.
  await new Promise((resolve) => setTimeout(resolve, 150));
  const alone = await connect('bo');
  await alone.send({ t: 'join', cid: old, rev: 0 });
  for (let i = 0; i < 10; i++) await settled();
  expect(alone.seqs(old)).toEqual(range(1, 1_000));
  // What was just read for one is not read again.
  await clock.advance(1_000);
  const reader = await connect('bo');
  await reader.send({ t: 'join', cid: live });
  const beside = await connect('bo');
  await say('ada', live, 1);
  await beside.send({ t: 'join', cid: old, rev: 0 });
  for (let i = 0; i < 10; i++) await settled();
  expect(beside.seqs(old).length).toBeLessThan(1_000);
  for (let i = 0; i < 20; i++) await clock.advance(10);
  expect(beside.seqs(old)).toEqual(range(1, 1_000));
});

test('a device that was closed for being slow reads on behind the others until it has caught up', async () => {
  const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 10_000, highWaterBytes: 20_000 };
  const { connect, group, say, clock } = await startGateway({ limits: { backpressure } });
  const cid = await group('ada', 'bo');
  const slow = await connect('bo', { device: 'phone' });
  await slow.send({ t: 'join', cid });
  slow.transport.writable = false;
  for (const round of range(1, 10)) await say('ada', cid, 100, `r${round}`);
  await clock.advance(6_000);
  expect(slow.transport.closedWith).toBe(4409);
  const [again, desk] = [await connect('bo', { device: 'phone' }), await connect('bo', { device: 'desk' })];
  expect([again.session.laggard, desk.session.laggard]).toEqual([true, false]);
  await again.send({ t: 'join', cid, rev: slow.seqs(cid).at(-1)! });
  for (let i = 0; i < 10; i++) await settled();
  expect([...slow.seqs(cid), ...again.seqs(cid)]).toEqual(range(1, 1_000));
  expect(again.session.laggard).toBe(false);
  await clock.advance(60_000);
  expect((await connect('bo', { device: 'phone' })).session.laggard).toBe(false);
});
