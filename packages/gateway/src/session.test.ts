import { ChatError } from '@gapless/core';
import {
  AUTH_TIMEOUT_MS,
  BODY_MAX_BYTES,
  FRAMES_BURST,
  HEARTBEAT_MS,
  REAUTH_GRACE_MS,
  REFUSED_FRAMES_MAX,
  SILENCE_MAX_MS,
  STRANGERS_PER_ADDRESS_MAX,
} from '@gapless/protocol';
import { describe, expect, test } from 'vitest';
import { startGateway } from './harness.test-util.ts';
import { GATEWAY_LIMITS } from './limits.ts';

// Goal: what a session may do and what ends it. Method: frames in, frames and close codes out, time driven by hand.

const codes = (client: { of(t: 'error'): { code: string }[] }) => client.of('error').map((frame) => frame.code);

describe('authentication', () => {
  test('ready says who, where and what works', async () => {
    const { connect, clock } = await startGateway();
    const client = await connect('ada', { device: 'phone' });
    expect(client.of('ready')).toEqual([
      {
        t: 'ready',
        userId: 'ada',
        device: 'phone',
        conn: client.session.conn,
        serverTs: clock.now(),
        heartbeatMs: HEARTBEAT_MS,
        features: expect.any(Array),
      },
    ]);
    for (const later of ['edit', 'recall', 'react', 'call']) expect(client.of('ready')[0]!.features).not.toContain(later);
  });

  test.each([
    ['a bad token', { t: 'auth', jwt: 'nonsense' }],
    ['another frame first', { t: 'ping' }],
    ['nonsense first', { what: 1 }],
  ])('%s: unauthorized, 4401', async (_name, frame) => {
    const { open } = await startGateway();
    const client = open();
    await client.send(frame);
    expect(codes(client)).toEqual(['unauthorized']);
    expect(client.transport.closedWith).toBe(4401);
  });

  test('no token in time: unauthorized, 4401', async () => {
    const { open, clock } = await startGateway();
    const client = open();
    await clock.advance(AUTH_TIMEOUT_MS + 1_000);
    expect(codes(client)).toEqual(['unauthorized']);
    expect(client.transport.closedWith).toBe(4401);
  });

  test('when auth fails for the server’s reasons, the frames behind it end too', async () => {
    const { open, token, store } = await startGateway();
    store.ensureUser = () => Promise.reject(new ChatError('server_busy', { retryAfterMs: 1_000 }));
    const client = open();
    await Promise.all([client.send({ t: 'auth', jwt: token('ada') }), client.send({ t: 'ping' })]);
    expect(codes(client)).toEqual(['server_busy', 'unauthorized']);
    expect(client.transport.closedWith).toBe(4401);
  });

  test('frames right behind auth wait for it', async () => {
    const { open, token, group } = await startGateway();
    const cid = await group('ada');
    const client = open();
    const done = [client.send({ t: 'auth', jwt: token('ada') }), client.send({ t: 'join', cid }), client.send({ t: 'ping', n: 7 })];
    await Promise.all(done);
    expect(client.frames.map((frame) => frame.t)).toEqual(expect.arrayContaining(['ready', 'joined', 'pong']));
    expect(client.frames[0]!.t).toBe('ready');
  });

  test('an expired token is told, replaced within the grace, and closes after it', async () => {
    const { open, token, clock } = await startGateway();
    const [kept, gone] = [open(), open()];
    for (const client of [kept, gone]) await client.send({ t: 'auth', jwt: token('ada', { lifeMs: 5_000 }) });
    await clock.advance(7_000);
    expect([codes(kept), codes(gone)]).toEqual([['token_expired'], ['token_expired']]);
    await kept.send({ t: 'auth', jwt: token('ada') });
    await clock.advance(REAUTH_GRACE_MS + 1_000);
    expect(gone.transport.closedWith).toBe(4401);
    expect(kept.transport.closedWith).toBeUndefined();
    expect(codes(kept)).toEqual(['token_expired']);
  });

  test('two first tokens at once: the first is who it is, the other is refused, and nothing is left behind', async () => {
    const { open, token, gateway, group } = await startGateway();
    const cid = await group('eve', 'bo');
    const client = open();
    const frames = [
      { t: 'auth', jwt: token('eve') },
      { t: 'auth', jwt: token('bo') },
      { t: 'join', cid },
    ];
    await Promise.all(frames.map((frame) => client.send(frame)));
    expect(client.of('ready').map((frame) => frame.userId)).toEqual(['eve']);
    expect(client.transport.closedWith).toBe(4401);
    expect([gateway.sessions.size, gateway.hub.sessionsOf('eve'), gateway.hub.sessionsOf('bo')]).toEqual([0, undefined, undefined]);
  });

  test('one address may have so many connections without a token', async () => {
    const { open, token } = await startGateway({ rateLimits: true });
    const strangers = Array.from({ length: STRANGERS_PER_ADDRESS_MAX }, () => open());
    expect(open().transport.closedWith).toBe(4429);
    await strangers[0]!.send({ t: 'auth', jwt: token('ada') });
    expect(open().transport.closedWith).toBeUndefined();
  });

  test('a token of another user is refused', async () => {
    const { connect, token } = await startGateway();
    const client = await connect('ada');
    await client.send({ t: 'auth', jwt: token('bo') });
    expect(codes(client)).toEqual(['unauthorized']);
    expect(client.transport.closedWith).toBe(4401);
  });
});

describe('frames that are refused', () => {
  test('bad frames name the field; more than 3 in 10 s close 4400', async () => {
    const { connect, clock } = await startGateway();
    const client = await connect('ada');
    await client.raw('not json');
    await client.send({ t: 'send', cid: 'c' });
    await client.send([]);
    expect(client.transport.closedWith).toBeUndefined();
    await clock.advance(11_000);
    await client.send({ t: 'ack', cid: 'c', pos: -1 });
    expect(client.transport.closedWith).toBeUndefined();
    for (let i = 0; i < 3; i++) await client.raw('{');
    expect(client.transport.closedWith).toBe(4400);
    expect(client.of('error').map((frame) => frame.msg)).toEqual(
      expect.arrayContaining(['mid: is required', expect.stringMatching(/^pos: /)]),
    );
  });

  test.each(['edit', 'recall', 'react', 'call', 'nonsense'])('%s is not known yet', async (t) => {
    const { connect } = await startGateway();
    const client = await connect('ada');
    await client.send({ t, cid: 'c', seq: 1, body: {}, emoji: 'x', on: true, opId: 'o' });
    expect(client.of('error')).toMatchObject([{ code: 'unknown_type', ref: { t } }]);
    expect(client.transport.closedWith).toBeUndefined();
  });

  test('bodies: too large, too deep, no object', async () => {
    const { connect, group } = await startGateway();
    const cid = await group('ada');
    const client = await connect('ada');
    const deep = JSON.parse(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`);
    await client.send({ t: 'send', cid, mid: 'large', kind: 'text', body: { text: 'x'.repeat(BODY_MAX_BYTES) } });
    await client.send({ t: 'send', cid, mid: 'deep', kind: 'text', body: deep });
    await client.send({ t: 'send', cid, mid: 'none', kind: 'text', body: 'text' });
    await client.send({ t: 'send', cid, mid: 'sys', kind: 'sys', body: {} });
    await client.send({ t: 'send', cid, mid: 'fits', kind: 'text', body: { text: 'x'.repeat(BODY_MAX_BYTES - 11) } });
    expect(client.of('error').map(({ code, ref }) => [ref?.mid, code])).toEqual([
      ['large', 'too_large'],
      ['deep', 'bad_frame'],
      ['none', 'bad_frame'],
      ['sys', 'forbidden'],
    ]);
    expect(client.of('ack').map((frame) => frame.mid)).toEqual(['fits']);
  });

  test('too many frames: rate_limited with a wait, then 4429 for who does not listen', async () => {
    const { connect, clock } = await startGateway({ rateLimits: true });
    const client = await connect('ada');
    for (let i = 0; i < FRAMES_BURST; i++) await client.send({ t: 'ping' });
    expect(client.of('error')[0]).toMatchObject({ code: 'rate_limited', ref: { t: 'ping' }, retryAfterMs: expect.any(Number) });
    await clock.advance(client.of('error')[0]!.retryAfterMs!);
    const pongs = client.of('pong').length;
    await client.send({ t: 'ping' });
    expect(client.of('pong').length).toBe(pongs + 1);
    for (let i = 0; i <= REFUSED_FRAMES_MAX + 1; i++) await client.send({ t: 'ping' });
    expect(client.transport.closedWith).toBe(4429);
  });
});

describe('heartbeat and end', () => {
  test('a slow connection that does take bytes is not called silent', async () => {
    const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 0, highWaterBytes: 20_000, closeUnwritableAfterMs: 3_000 };
    const { connect, group, say, clock } = await startGateway({ limits: { backpressure } });
    const cid = await group('ada', 'bo');
    const slow = await connect('bo');
    await slow.send({ t: 'join', cid });
    slow.transport.writable = false;
    for (let round = 0; round < 5; round++) await say('ada', cid, 100, `r${round}`);
    for (let sec = 0; sec < 60; sec++) {
      slow.transport.bufferedBytes = Math.max(1, slow.transport.bufferedBytes - 100);
      await clock.advance(1_000);
    }
    expect(slow.transport.closedWith).toBeUndefined();
  });

  test('every connection is pinged once a heartbeat; silence closes 4408, any sign of life does not', async () => {
    const { connect, clock } = await startGateway();
    const [silent, alive] = [await connect('ada'), await connect('bo')];
    for (let i = 0; i < SILENCE_MAX_MS / 5_000 + 1; i++) {
      await clock.advance(5_000);
      await alive.send({ t: 'ping' });
    }
    expect(alive.transport.pings).toBeGreaterThanOrEqual(3);
    expect(silent.transport.closedWith).toBe(4408);
    expect(alive.transport.closedWith).toBeUndefined();
  });

  test('a sign-out kicks the session’s connections and no other', async () => {
    const { open, token, gateway } = await startGateway();
    const [out, other] = [open(), open()];
    await out.send({ t: 'auth', jwt: token('ada', { sid: 's1' }) });
    await other.send({ t: 'auth', jwt: token('ada', { sid: 's2' }) });
    gateway.kick((session) => session.token?.sid === 's1', 'You were signed out.');
    expect(out.of('kick')).toEqual([{ t: 'kick', code: 'signed_out', msg: 'You were signed out.' }]);
    expect([out.transport.closedWith, other.transport.closedWith]).toEqual([4403, undefined]);
  });

  test('draining tells each client when to come back, then closes 1001', async () => {
    const { connect, gateway, clock } = await startGateway();
    const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => connect(`u${i}`)));
    const drained = gateway.drain({ spreadMs: 2_000 });
    const waits = clients.map((client) => client.of('goaway')[0]!.reconnectInMs);
    expect(new Set(waits).size).toBeGreaterThan(10);
    expect(Math.max(...waits)).toBeLessThan(2_000);
    await clock.advance(2_000);
    await drained;
    expect(clients.map((client) => client.transport.closedWith)).toEqual(clients.map(() => 1001));
    expect(gateway.sessions.size).toBe(0);
  });

  test('a session that ended leaves nothing behind', async () => {
    const { connect, gateway, group } = await startGateway();
    const cid = await group('ada', 'bo');
    const client = await connect('ada');
    await client.send({ t: 'join', cid });
    await client.send({ t: 'presence', watch: ['bo'] });
    gateway.ended(client.session);
    expect([gateway.sessions.size, gateway.hub.channel(cid), gateway.hub.sessionsOf('ada')]).toEqual([0, undefined, undefined]);
  });
});
