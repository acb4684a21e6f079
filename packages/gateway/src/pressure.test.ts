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
