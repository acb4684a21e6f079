import { get } from 'node:http';
import { connect } from 'node:net';
import { FRAGMENTS_MAX, FRAME_MAX_BYTES } from '@gapless/protocol';
import { signToken } from '@gapless/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { range, useServer } from '../conformance/world.ts';
import { encodeFrame, endAll, type RawFrame, RawSocket } from './raw-socket.ts';

// Goal: nothing that arrives on a socket ends or hurts the server. Method: bytes written by hand. Whatever happened, after each test a new
// client is served; at the end the server has logged no error and stops with 0.

const world = useServer();
const TEXT = 1;
const CONTINUATION = 0;
const CLOSE = 8;
const PING = 9;

afterEach(async () => {
  await endAll();
  await served();
});

async function served(): Promise<void> {
  const client = await world.connect('witness');
  await client.settle();
  await client.close();
}

async function authenticated(user = 'mallory'): Promise<RawSocket> {
  const raw = await RawSocket.upgrade(world.server.port);
  raw.sendFrame({ t: 'auth', jwt: await signToken(user) });
  await raw.until(() => raw.frames.some((frame) => frame.t === 'ready'));
  return raw;
}

async function connections(): Promise<number> {
  const text = await (await fetch(`${world.server.url}/metrics`)).text();
  return Number(/^gapless_ws_connections (\d+)$/m.exec(text)![1]);
}

const MiB = 1024 * 1024;
const ping = (bytes: number) => `{"t":"ping","n":1,"pad":"${'x'.repeat(bytes - 27)}"}`;

describe('sizes', () => {
  test('a frame of 64 KiB is served, one byte more closes 1009', async () => {
    expect(ping(FRAME_MAX_BYTES)).toHaveLength(FRAME_MAX_BYTES);
    const raw = await authenticated();
    raw.send({ opcode: TEXT, payload: ping(FRAME_MAX_BYTES) });
    await raw.until(() => raw.frames.some((frame) => frame.t === 'pong'));
    raw.send({ opcode: TEXT, payload: ping(FRAME_MAX_BYTES + 1) });
    expect(await raw.end()).toBe(1009);
  });

  test('a header alone that says too much closes 1009: nothing is waited for', async () => {
    for (const length of [FRAME_MAX_BYTES + 1, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
      const raw = await authenticated();
      raw.socket.write(encodeFrame({ opcode: TEXT, length }).subarray(0, 14));
      expect([1009, 1002]).toContain(await raw.end());
    }
  });

  test('fragments that add up to too much close 1009', async () => {
    const raw = await authenticated();
    const piece = 'x'.repeat(FRAME_MAX_BYTES / 8);
    raw.send({ fin: false, opcode: TEXT, payload: piece });
    for (const _ of range(1, 8)) raw.send({ fin: false, opcode: CONTINUATION, payload: piece });
    expect(await raw.end()).toBe(1009);
  });

  test(`${FRAGMENTS_MAX} fragments are a message, more end the connection`, async () => {
    const raw = await authenticated();
    const fragments = (count: number) => {
      const text = ping(FRAGMENTS_MAX * 2);
      const size = Math.ceil(text.length / count);
      const pieces = range(0, count - 1).map((i) => text.slice(i * size, (i + 1) * size));
      for (const [i, payload] of pieces.entries()) raw.send({ fin: i === count - 1, opcode: i === 0 ? TEXT : CONTINUATION, payload });
    };
    fragments(FRAGMENTS_MAX);
    await raw.until(() => raw.frames.some((frame) => frame.t === 'pong'));
    fragments(FRAGMENTS_MAX + 1);
    expect([1002, 1008, 1009]).toContain(await raw.end());
    expect(raw.frames.filter((frame) => frame.t === 'pong')).toHaveLength(1);
  });

  test('the bound holds before authentication too', async () => {
    const raw = await RawSocket.upgrade(world.server.port);
    raw.send({ opcode: TEXT, payload: 'x'.repeat(FRAME_MAX_BYTES + 1) });
    expect(await raw.end()).toBe(1009);
  });
});

describe('what RFC 6455 forbids', () => {
  const bad: [string, number, RawFrame | RawFrame[]][] = [
    ['a frame without a mask', 1002, { opcode: TEXT, payload: '{}', masked: false }],
    ['text that is not UTF-8', 1007, { opcode: TEXT, payload: Buffer.from([0x22, 0xc3, 0x28, 0x22]) }],
    ['text that ends in half a character', 1007, { opcode: TEXT, payload: Buffer.from([0xe2, 0x82]) }],
    ['a surrogate in UTF-8', 1007, { opcode: TEXT, payload: Buffer.from([0xed, 0xa0, 0x80]) }],
    ['reserved bit 1', 1002, { opcode: TEXT, rsv: 0x40, payload: '{}' }],
    ['reserved bit 2', 1002, { opcode: TEXT, rsv: 0x20, payload: '{}' }],
    ['reserved bit 3', 1002, { opcode: TEXT, rsv: 0x10, payload: '{}' }],
    ['a compressed frame that was not negotiated', 1002, { opcode: TEXT, rsv: 0x40, payload: Buffer.from([0x4a, 4, 0]) }],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, number, RawFrame] => [`opcode ${opcode}`, 1002, { opcode }]),
    ['a ping of 126 bytes', 1002, { opcode: PING, payload: 'x'.repeat(126) }],
    ['a ping in fragments', 1002, { opcode: PING, fin: false, payload: 'x' }],
    ['a close in fragments', 1002, { opcode: CLOSE, fin: false }],
    ['a continuation of nothing', 1002, { opcode: CONTINUATION, payload: 'x' }],
    [
      'a message inside another',
      1002,
      [
        { fin: false, opcode: TEXT, payload: '{' },
        { opcode: TEXT, payload: '{}' },
      ],
    ],
    ['a close of one byte', 1002, { opcode: CLOSE, payload: Buffer.from([3]) }],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code): [string, number, RawFrame] => [
      `close code ${code}`,
      1002,
      { opcode: CLOSE, payload: Buffer.from([code >> 8, code & 255]) },
    ]),
    ['a close reason that is not UTF-8', 1007, { opcode: CLOSE, payload: Buffer.from([3, 232, 0xff]) }],
  ];
  test.each(bad)('%s: close %i', async (_name, code, frames) => {
    const raw = await authenticated();
    for (const frame of [frames].flat()) raw.send(frame);
    expect(await raw.end()).toBe(code);
    expect(raw.frames.map((frame) => frame.t)).toEqual(['ready']);
  });

  test('a good close is answered with its code', async () => {
    for (const code of [1000, 1001, 3000, 4999]) {
      const raw = await authenticated();
      raw.send({ opcode: CLOSE, payload: Buffer.from([code >> 8, code & 255]) });
      expect(await raw.end()).toBe(code);
    }
  });

  test('pings between fragments are answered, and the message is whole', async () => {
    const raw = await authenticated();
    raw.send({ fin: false, opcode: TEXT, payload: '{"t":"pi' });
    raw.send({ opcode: PING, payload: 'x'.repeat(125) });
    raw.send({ opcode: CONTINUATION, payload: 'ng","n":3}' });
    await raw.until(() => raw.frames.some((frame) => frame.t === 'pong'));
    expect(raw.pongs).toBe(1);
  });

  test('one byte at a time is as good', async () => {
    const raw = await authenticated();
    raw.socket.setNoDelay(true);
    for (const byte of encodeFrame({ opcode: TEXT, payload: '{"t":"ping","n":4}' })) {
      raw.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await raw.until(() => raw.frames.some((frame) => frame.t === 'pong'));
  });
});

test.each([
  ['binary on json', undefined, 2, '{"t":"ping"}'],
  ['text on msgpack', 'gapless.v1.msgpack', 1, '{"t":"ping"}'],
] as const)('%s: bad_frame, and abuse in the end', async (_name, subprotocol, opcode, payload) => {
  const raw = await RawSocket.upgrade(world.server.port, {
    path: `/ws?token=${await signToken('mallory')}`,
    headers: subprotocol === undefined ? {} : { 'Sec-WebSocket-Protocol': subprotocol },
  });
  for (const _ of range(1, 4)) raw.send({ opcode, payload });
  expect(await raw.end()).toBe(4400);
  if (subprotocol === undefined) expect(raw.frames.slice(1).map((frame) => frame.code)).toEqual(range(1, 4).map(() => 'bad_frame'));
});

describe('the upgrade', () => {
  test('a plain request that offers another protocol, as Java’s client does, is answered', async () => {
    const headers = { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAARAAAAAAAIAAAAA' };
    const answered = await new Promise<number | undefined>((resolve, reject) =>
      get(`${world.server.url}/livez`, { headers }, (response) => resolve(response.resume().statusCode)).on('error', reject),
    );
    expect(answered).toBe(200);
  });

  /** The status of the answer; undefined when the connection ended without one. */
  async function status(bytes: string | Buffer): Promise<number | undefined> {
    const raw = await RawSocket.open(world.server.port);
    raw.socket.write(bytes);
    // Half of a request is to be told from a whole one: no more will come.
    raw.socket.end();
    await raw.end();
    const match = /^HTTP\/1\.1 (\d+)/.exec(raw.head);
    return match === null ? undefined : Number(match[1]);
  }
  const upgrade = (headers: Record<string, string | undefined>, { path = '/ws', method = 'GET' } = {}) => {
    const all = {
      Host: 'x',
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    };
    const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\r\n`]));
    return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
  };

  test.each<[string, string | Buffer, (number | undefined)[]]>([
    ['no key', upgrade({ 'Sec-WebSocket-Key': undefined }), [400]],
    ['a short key', upgrade({ 'Sec-WebSocket-Key': 'abc' }), [400]],
    ['no version', upgrade({ 'Sec-WebSocket-Version': undefined }), [400, 426]],
    ['version 12', upgrade({ 'Sec-WebSocket-Version': '12' }), [400, 426]],
    ['version nonsense', upgrade({ 'Sec-WebSocket-Version': 'x'.repeat(100) }), [400, 426]],
    // A request like any other: whoever ends the connection first gets no answer.
    ['an upgrade to something else', upgrade({ Upgrade: 'h2c' }), [404, undefined]],
    ['POST', upgrade({}, { method: 'POST' }), [400, 405]],
    ['a broken list of subprotocols', upgrade({ 'Sec-WebSocket-Protocol': 'a,,b' }), [400]],
    ['a subprotocol twice', upgrade({ 'Sec-WebSocket-Protocol': 'gapless.v1.json, gapless.v1.json' }), [400]],
    ['subprotocols of 100 KB', upgrade({ 'Sec-WebSocket-Protocol': `${'a,'.repeat(50_000)}b` }), [400, 431]],
    [
      '4,000 subprotocols',
      upgrade({
        'Sec-WebSocket-Protocol': range(1, 2_000)
          .map((i) => `p${i}`)
          .join(', '),
      }),
      [101, 400],
    ],
    ['a broken extension header', upgrade({ 'Sec-WebSocket-Extensions': ';;=,' }), [101, 400]],
    ['2,000 headers', upgrade(Object.fromEntries(range(1, 2_000).map((i) => [`X-H${i}`, 'v']))), [400, 431]],
    ['a header of 100 KB', upgrade({ Cookie: 'x'.repeat(100_000) }), [400, 431]],
    ['a token of 100 KB', upgrade({}, { path: `/ws?token=${'x'.repeat(100_000)}` }), [400, 414, 431]],
    ['a path that is no URL', upgrade({}, { path: '//' }), [400, 404]],
    ['a whole URL that is none', upgrade({}, { path: 'http://[' }), [400, 404]],
    ['a URL with a bad port', upgrade({}, { path: 'http://x:99999999/ws' }), [400, 404]],
    ['a star', upgrade({}, { path: '*' }), [400, 404]],
    ['a path above the root', upgrade({}, { path: '/../../ws/../etc/passwd' }), [400, 404]],
    ['a path below', upgrade({}, { path: '/ws/more' }), [404]],
    ['another path', upgrade({}, { path: '/v1/me' }), [404]],
    ['broken escapes in the query', upgrade({}, { path: '/ws?token=%ff%&device=%' }), [101]],
    ['a body with it', `${upgrade({ 'Content-Length': '5' })}hello`, [101, 400]],
    ['two lengths', upgrade({ 'Content-Length': '5', 'content-length': '6' }), [400]],
    ['length and chunks', upgrade({ 'Content-Length': '5', 'Transfer-Encoding': 'chunked' }), [400]],
    ['a header without a colon', 'GET /ws HTTP/1.1\r\nHost x\r\n\r\n', [400]],
    ['a NUL in a header', upgrade({ 'X-A': 'a\0b' }), [400]],
    ['HTTP/9.9', 'GET /ws HTTP/9.9\r\nHost: x\r\n\r\n', [400, 505]],
    ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex'), [400]],
    ['random bytes', Buffer.from(range(1, 2_000).map((i) => (i * 7919) & 255)), [400, undefined]],
    ['half a request', 'GET /ws HTTP/1.1\r\nHost:', [400, undefined]],
    ['nothing', '', [undefined]],
  ])('%s is refused or borne', async (_name, bytes, expected) => {
    expect(expected).toContain(await status(bytes));
  });

  test.each([
    ['https://evil.example', 403],
    ['null', 403],
    ['', 403],
    ['{own}.evil.example', 403],
    ['http://evil.example?{host}', 403],
    ['http://evil-{host}', 403],
    ['http://{host}@evil.example', 403],
    ['http://127.0.0.1', 403],
    ['http://127.0.0.1:1', 403],
    ['http://localhost:{port}', 403],
    ['ws://{host}', 403],
    ['{own}/', 403],
    ['{own}', 101],
    [undefined, 101],
  ])('Origin %j: %i', async (template, expected) => {
    const host = `127.0.0.1:${world.server.port}`;
    const origin = template?.replace('{own}', `http://${host}`).replace('{host}', host).replace('{port}', String(world.server.port));
    expect(await status(upgrade({ Host: host, Origin: origin }))).toBe(expected);
  });

  test('a peer that resets while it is refused', async () => {
    for (const headers of [{ Origin: 'https://evil.example' }, { 'Sec-WebSocket-Key': 'x' }])
      for (const path of ['/ws', '/elsewhere'])
        await Promise.all(
          range(1, 25).map(
            () =>
              new Promise<void>((resolve) => {
                const socket = connect(world.server.port, '127.0.0.1', () => {
                  socket.write(upgrade(headers, { path }));
                  setImmediate(() => socket.resetAndDestroy());
                });
                socket.on('error', () => {}).on('close', () => resolve());
              }),
          ),
        );
  });
});

describe('floods', () => {
  test('10,000 pings by a peer that does not read: no more than a bounded memory, and it is served again', async () => {
    const raw = await authenticated();
    const before = world.server.rssBytes();
    raw.socket.pause();
    const one = encodeFrame({ opcode: PING, payload: 'x'.repeat(125) });
    raw.socket.write(Buffer.concat(range(1, 10_000).map(() => one)));
    await served();
    expect(world.server.rssBytes() - before).toBeLessThan(64 * MiB);
    raw.socket.resume();
    // Answering each ping is not asked for: RFC 6455, 5.5.3, wants the newest answered.
    raw.sendFrame({ t: 'ping', n: 5 });
    await raw.until(() => raw.ended || raw.frames.some((frame) => frame.t === 'pong'));
  });

  test('20 sockets with fragments of one byte pin next to nothing', async () => {
    const sockets = await Promise.all(range(1, 20).map((i) => authenticated(`flood-${i}`)));
    const before = world.server.rssBytes();
    const start = encodeFrame({ fin: false, opcode: TEXT, payload: 'x' });
    const more = Buffer.concat(range(1, 16_000).map(() => encodeFrame({ fin: false, opcode: CONTINUATION, payload: 'x' })));
    for (const raw of sockets) raw.socket.write(Buffer.concat([start, more]));
    const codes = await Promise.all(sockets.map((raw) => raw.end()));
    for (const code of codes) expect([1002, 1008, 1009, undefined]).toContain(code);
    expect(world.server.rssBytes() - before).toBeLessThan(32 * MiB);
  });

  test('20 sockets that send a large frame in pieces of a byte and never end it pin their bytes, not more', async () => {
    const sockets = await Promise.all(range(1, 20).map((i) => authenticated(`slow-${i}`)));
    const before = world.server.rssBytes();
    await Promise.all(
      sockets.map(async (raw) => {
        raw.socket.setNoDelay(true);
        raw.socket.write(encodeFrame({ opcode: TEXT, length: FRAME_MAX_BYTES }));
        for (let i = 0; i < 500 && !raw.ended; i++) {
          raw.socket.write('x');
          await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    await served();
    expect(world.server.rssBytes() - before).toBeLessThan(32 * MiB);
  });

  test('half a frame and away', async () => {
    const whole = encodeFrame({ opcode: TEXT, payload: '{"t":"ping","n":1}' });
    for (const bytes of range(1, whole.length - 1)) {
      const raw = await authenticated();
      raw.socket.write(whole.subarray(0, bytes), () => raw.socket.destroy());
      await raw.end();
    }
  });

  test('an upgrade and a frame in one packet, an upgrade and garbage in one packet', async () => {
    const frame = encodeFrame({ opcode: TEXT, payload: JSON.stringify({ t: 'auth', jwt: await signToken('mallory') }) });
    for (const [rest, until] of [
      [frame, (raw: RawSocket) => raw.frames.some(({ t }) => t === 'ready')],
      [Buffer.from('GET / HTTP/1.1\r\n\r\n'), (raw: RawSocket) => raw.closeCode === 1002],
    ] as const) {
      const raw = await RawSocket.open(world.server.port);
      raw.socket.cork();
      raw.request();
      raw.socket.write(rest);
      raw.socket.uncork();
      await raw.until(() => until(raw));
    }
  });

  test('500 connections that come and go in every way: none is left', async () => {
    const token = await signToken('mallory');
    const ways: ((raw: RawSocket) => void)[] = [
      (raw) => raw.socket.destroy(),
      (raw) => raw.socket.resetAndDestroy(),
      (raw) => raw.socket.end(),
      (raw) => raw.send({ opcode: CLOSE, payload: Buffer.from([3, 232]) }),
      (raw) => {
        raw.sendFrame({ t: 'auth', jwt: token });
        raw.socket.end();
      },
      (raw) => {
        raw.sendFrame({ t: 'auth', jwt: token });
        raw.sendFrame({ t: 'presence', watch: ['witness'] });
        raw.sendFrame({ t: 'sync', convs: [{ cid: 'nowhere' }] });
        raw.socket.resetAndDestroy();
      },
    ];
    for (const round of range(0, 24)) {
      await Promise.all(
        range(1, 20).map(async (i) => {
          const raw = await RawSocket.upgrade(world.server.port);
          ways[(round + i) % ways.length]!(raw);
          await raw.end();
        }),
      );
    }
    // Other tests' connections are closing still: what is asked is that all end, and that it does not take for ever.
    while ((await connections()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  });
});
