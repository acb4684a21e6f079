import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { ChatError } from '@gapless/core';
import { HEARTBEAT_MS, jsonCodec, SILENCE_MAX_MS } from '@gapless/protocol';
import { settled, takeEvents } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { startGateway } from '../harness.test-util.ts';
import { GATEWAY_LIMITS } from '../limits.ts';
import type { Session } from '../session.ts';
import { CURSOR_MAX, type Place, parseCursor } from './cursor.ts';
import { SseTransport } from './transport.ts';

// Goal: the stream says what happened, and its ids say where one is, never too far. Method: the gateway over the memory store, a clock
// driven by hand, and a socket that takes bytes when it is told to.

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Takes everything, or nothing while `writable_` is false. */
class FakeSocket extends Duplex {
  text = '';
  /** What each call of the writer held. */
  readonly writes: string[] = [];
  #stuck: (() => void) | undefined;
  #takes = true;

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const take = () => {
      this.text += chunk.toString();
      if (chunk.length > 0) this.writes.push(chunk.toString());
      done();
    };
    if (this.#takes) take();
    else this.#stuck = take;
  }

  stop(): void {
    this.#takes = false;
  }

  go(): void {
    this.#takes = true;
    this.#stuck?.();
    this.#stuck = undefined;
  }
}

type World = Awaited<ReturnType<typeof startGateway>>;

class Stream {
  readonly socket = new FakeSocket();
  readonly transport: SseTransport;
  readonly session: Session;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    const { gateway, clock } = world;
    this.transport = new SseTransport({ gateway, clock, socket: this.socket as unknown as Socket, conn: 'secret', retryMs: 1_234 });
    this.session = this.transport.session = gateway.open(this.transport, '127.0.0.1');
  }

  static async of(world: World, uid: string): Promise<Stream> {
    const stream = new Stream(world);
    await stream.send({ t: 'auth', jwt: world.token(uid) });
    return stream;
  }

  async send(frame: object): Promise<void> {
    this.#world.gateway.receive(this.session, jsonCodec.encode(frame), jsonCodec);
    await settled();
  }

  get events() {
    return takeEvents(this.socket.text).events;
  }

  get frames() {
    return this.events.filter(({ event, data }) => event === undefined && data !== undefined).map(({ data }) => JSON.parse(data!));
  }

  get ids(): string[] {
    return this.events.flatMap(({ id }) => (id === undefined ? [] : [id]));
  }

  get place(): Place[] | undefined {
    return parseCursor(this.ids.at(-1)!);
  }
}

test('conn and retry come first, then ready with the same conn; logs and presence know another', async () => {
  const world = await startGateway();
  const stream = await Stream.of(world, 'ada');
  expect(stream.socket.text.startsWith('event: conn\ndata: {"t":"conn","conn":"secret"}\n\nretry: 1234\n\ndata: {"t":"ready",')).toBe(true);
  expect(stream.frames).toMatchObject([{ t: 'ready', conn: 'secret' }]);
  expect(stream.frames[0].features).toContain('sse');
  expect(stream.session.conn).not.toContain('secret');
  expect(stream.ids).toEqual([]);
});

test('the last event of a write with joined or durable frames has the id, and no other', async () => {
  const world = await startGateway();
  const cid = await world.group('ada', 'bo');
  const stream = await Stream.of(world, 'ada');
  await stream.send({ t: 'join', cid });
  expect(stream.ids).toEqual([`${cid}.0`]);
  expect(stream.events.at(-1)).toMatchObject({ id: `${cid}.0` });
  await stream.send({ t: 'ping' });
  expect(stream.ids).toHaveLength(1);
  await world.say('bo', cid, 40);
  const seqs = stream.frames.filter(({ t }) => t === 'message').map(({ seq }) => seq);
  expect(seqs).toEqual(range(1, 40));
  expect(stream.place).toEqual([{ cid, rev: 40 }]);
  for (const write of stream.socket.writes) {
    const { events, rest } = takeEvents(write);
    expect(rest).toBe('');
    const durable = events.some(({ data }) => /^\{"t":"(joined|message|change)"/.test(data ?? ''));
    expect(events.map(({ id }) => id !== undefined)).toEqual(events.map((_, i) => durable && i === events.length - 1));
  }
});

test('at every id the position is what was written until then: replay by rev and by since, with pages from the store', async () => {
  const world = await startGateway({
    limits: { catchUpRows: 7, tail: { maxBytes: 1, bytesPerListener: 0, ceilingBytes: 1, maxAgeMs: 1 } },
  });
  const [one, two] = [await world.group('ada', 'bo'), await world.group('ada', 'bo')];
  await world.say('bo', one, 40);
  await world.say('bo', two, 40);
  const stream = await Stream.of(world, 'ada');
  await stream.send({
    t: 'sync',
    convs: [
      { cid: one, rev: 3 },
      { cid: two, since: 5 },
    ],
  });
  await world.say('bo', two, 5, 'later');
  await world.clock.advance(2_000);
  const seen = new Map([
    [one, 3],
    [two, 5],
  ]);
  let joined = 0;
  let since = 0;
  for (const { data, id } of stream.events) {
    const frame = data === undefined ? {} : JSON.parse(data);
    if (frame.t === 'joined') joined++;
    if (frame.t === 'message') {
      expect(frame.seq).toBe(seen.get(frame.cid)! + 1);
      seen.set(frame.cid, frame.seq);
    }
    if (id === undefined) continue;
    expect(joined).toBe(2);
    for (const place of parseCursor(id)!) {
      if ('since' in place) since++;
      expect('rev' in place ? place.rev : place.since).toBe(seen.get(place.cid));
    }
  }
  expect(since).toBeGreaterThan(2);
  expect([...seen.values()]).toEqual([40, 45]);
  expect(stream.place).toEqual([
    { cid: one, rev: 40 },
    { cid: two, rev: 45 },
  ]);
});

test('leave and removal are out of the next id', async () => {
  const world = await startGateway();
  const [one, two] = [await world.group('ada', 'bo'), await world.group('ada', 'bo')];
  const stream = await Stream.of(world, 'ada');
  for (const cid of [one, two]) await stream.send({ t: 'join', cid });
  expect(stream.place).toHaveLength(2);
  await stream.send({ t: 'leave', cid: one });
  await world.say('bo', two, 1);
  expect(stream.place).toEqual([{ cid: two, rev: 1 }]);
  await world.chat.removeParticipant(world.admin, two, 'ada');
  await settled();
  expect(stream.frames.filter(({ t }) => t === 'change')).toHaveLength(1);
  expect(stream.ids.at(-1)).toBe('');
});

test('a join that is not answered yet is not in an id; one joined anew stays where it was', async () => {
  const world = await startGateway();
  const [one, two] = [await world.group('ada', 'bo'), await world.group('ada', 'bo')];
  const stream = await Stream.of(world, 'ada');
  await stream.send({ t: 'join', cid: one });
  await world.say('bo', one, 2);
  const { gateway } = world;
  gateway.hub.subscribe(stream.session, one);
  gateway.hub.subscribe(stream.session, one);
  gateway.hub.subscribe(stream.session, two);
  stream.session.moved = true;
  gateway.handle(stream.session, { t: 'ping' });
  await settled();
  expect(stream.place).toEqual([{ cid: one, rev: 2 }]);
});

test('a page that is written while `joined` of another conversation waits has no id: it comes with that', async () => {
  const world = await startGateway();
  const [one, two] = [await world.group('ada', 'bo'), await world.group('ada', 'bo')];
  const stream = await Stream.of(world, 'ada');
  await stream.send({ t: 'join', cid: one });
  const { ids } = stream;
  world.gateway.handle(stream.session, { t: 'join', cid: two });
  while (!stream.session.subscriptions.get(two)?.joined) await Promise.resolve();
  expect(stream.session.control).toHaveLength(1);
  stream.transport.write(Buffer.from('data: {"t":"message"}\n\n'));
  expect(stream.ids).toEqual(ids);
  await settled();
  expect(stream.place).toEqual([
    { cid: one, rev: 0 },
    { cid: two, rev: 0 },
  ]);
});

test(`more than ${CURSOR_MAX} conversations have no cursor`, async () => {
  const world = await startGateway();
  const cids = await Promise.all(range(1, CURSOR_MAX + 1).map(() => world.group('ada')));
  const stream = await Stream.of(world, 'ada');
  await stream.send({ t: 'sync', convs: cids.slice(1).map((cid) => ({ cid })) });
  expect(stream.place).toHaveLength(CURSOR_MAX);
  await stream.send({ t: 'join', cid: cids[0] });
  expect(stream.ids.at(-1)).toBe('');
});

test('a ping event each 15 s; that the kernel takes it is life enough', async () => {
  const world = await startGateway();
  const stream = await Stream.of(world, 'ada');
  await world.clock.advance(3 * SILENCE_MAX_MS);
  const pings = stream.events.filter(({ event }) => event === 'ping');
  expect(pings).toHaveLength((3 * SILENCE_MAX_MS) / HEARTBEAT_MS);
  expect(JSON.parse(pings[0]!.data!)).toEqual({ t: 'ping', serverTs: expect.any(Number) });
  expect(stream.session.closed).toBe(false);
});

test('who has pinged once is held to it', async () => {
  const world = await startGateway();
  const stream = await Stream.of(world, 'ada');
  stream.transport.pings = true;
  await world.clock.advance(SILENCE_MAX_MS + 1_000);
  expect(stream.events.at(-1)).toEqual({ event: 'close', data: '{"t":"close","code":4408,"reason":"no sign of life"}' });
});

test('close says its code and ends the stream', async () => {
  const world = await startGateway();
  const stream = await Stream.of(world, 'ada');
  world.gateway.kick(() => true, 'Bye.');
  await settled();
  expect(stream.frames.at(-1)).toEqual({ t: 'kick', code: 'signed_out', msg: 'Bye.' });
  expect(stream.events.at(-1)).toEqual({ event: 'close', data: '{"t":"close","code":4403,"reason":"banned or signed out"}' });
  expect(stream.socket.writableEnded).toBe(true);
  const { text } = stream.socket;
  stream.transport.ping();
  stream.transport.write(Buffer.from('data: {}\n\n'));
  stream.transport.close(1001, 'again');
  expect(stream.socket.text).toBe(text);
});

test('a peer that does not take its close is not waited for', async () => {
  const world = await startGateway();
  const stream = await Stream.of(world, 'ada');
  stream.socket.stop();
  world.gateway.kick(() => true, 'Bye.');
  await world.clock.advance(1_000);
  expect(stream.socket.destroyed).toBe(false);
  await world.clock.advance(1_000);
  expect(stream.socket.destroyed).toBe(true);
});

test('a reader that stops costs no more than the high water mark and a page, is told behind, and misses nothing', async () => {
  const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 8_192, highWaterBytes: 16_384, closeUnwritableAfterMs: -1 };
  const world = await startGateway({ limits: { backpressure } });
  const cid = await world.group('ada', 'bo');
  const stream = await Stream.of(world, 'ada');
  await stream.send({ t: 'join', cid });
  stream.socket.stop();
  for (const round of range(1, 30)) await world.say('bo', cid, 10, `r${round}`, 'x'.repeat(1_000));
  expect(stream.transport.paused).toBe(true);
  expect(stream.transport.bufferedBytes).toBeLessThan(128 * 1_024);
  // Nobody can be asked for a sign of life who does not read.
  await world.clock.advance(2 * SILENCE_MAX_MS);
  stream.socket.go();
  await world.clock.advance(1_000);
  expect(stream.transport.paused).toBe(false);
  expect(stream.frames.some(({ t }) => t === 'behind')).toBe(true);
  expect(stream.frames.filter(({ t }) => t === 'message').map(({ seq }) => seq)).toEqual(range(1, 300));
  expect(stream.place).toEqual([{ cid, rev: 300 }]);
});

test('without progress it is closed', async () => {
  const backpressure = { ...GATEWAY_LIMITS.backpressure, lowWaterBytes: 8_192, highWaterBytes: 16_384, closeUnwritableAfterMs: 3_000 };
  const world = await startGateway({ limits: { backpressure } });
  const cid = await world.group('ada', 'bo');
  const stream = await Stream.of(world, 'ada');
  await stream.send({ t: 'join', cid });
  stream.socket.stop();
  for (const round of range(1, 10)) await world.say('bo', cid, 10, `r${round}`, 'x'.repeat(1_000));
  await world.clock.advance(10_000);
  expect([stream.session.closed, stream.socket.destroyed]).toEqual([true, true]);
});

test('cut off within a replay by since: the next connection gets the rest, and every change since the first join', async () => {
  const world = await startGateway({ limits: { catchUpRows: 5 } });
  const cid = await world.group('ada', 'bo');
  await world.say('bo', cid, 20);
  const { replay } = world.store;
  const stream = await Stream.of(world, 'ada');
  let pages = 0;
  world.store.replay = (...args) => (++pages > 2 ? Promise.reject(new ChatError('store_unavailable')) : replay(...args));
  await stream.send({ t: 'join', cid, since: 0 });
  expect(stream.place).toEqual([{ cid, since: 10, begun: { until: 20, thenRev: 20 } }]);
  world.gateway.ended(stream.session);
  world.store.replay = replay;
  await world.chat.updateConversation(world.admin, cid, { title: 'while away' });
  await world.say('bo', cid, 3, 'later');
  const next = new Stream(world);
  next.session.onReady = () => world.gateway.resume(next.session, stream.place!);
  await next.send({ t: 'auth', jwt: world.token('ada') });
  for (let i = 0; i < 10; i++) await settled();
  expect(next.frames.filter(({ t }) => t === 'message').map(({ seq }) => seq)).toEqual(range(11, 23));
  expect(next.frames.filter(({ t }) => t === 'change').map(({ title }) => title)).toEqual(['while away']);
});

test.each([{ since: 0, begun: { until: 999, thenRev: 1 } }, { since: 0, begun: { until: 1, thenRev: 999 } }, { rev: 999 }])(
  'a place beyond the head is told to start anew: %j',
  async (place) => {
    const world = await startGateway();
    const cid = await world.group('ada', 'bo');
    await world.say('bo', cid, 3);
    const stream = new Stream(world);
    stream.session.onReady = () => world.gateway.resume(stream.session, [{ cid, ...place } as Place]);
    await stream.send({ t: 'auth', jwt: world.token('ada') });
    expect(stream.frames.filter(({ t }) => t === 'joined')).toMatchObject([{ head: 3, reset: true }]);
  },
);

test('a resume works where the address has no frames left', async () => {
  const world = await startGateway({ rateLimits: true });
  const cid = await world.group('ada', 'bo');
  await world.say('bo', cid, 3);
  const stream = new Stream(world);
  stream.session.onReady = () => world.gateway.resume(stream.session, [{ cid, rev: 0 }]);
  const others = await Promise.all(range(1, 60).map((n) => world.connect(`u${n}`)));
  for (const other of others) for (let i = 0; i < 100; i++) void other.send({ t: 'ping' });
  await settled();
  void world.gateway.authenticate(stream.session, world.token('ada'));
  await settled();
  expect(others.at(-1)!.of('error')[0]).toMatchObject({ code: 'rate_limited' });
  expect(stream.frames.filter(({ t }) => t === 'message').map(({ seq }) => seq)).toEqual([1, 2, 3]);
});
