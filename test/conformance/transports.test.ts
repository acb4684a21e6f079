import { signToken, TEST_SECRET, WireClient } from '@gapless/testkit';
import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { messages, range, text, useServer } from './world.ts';

// PROTOCOL, section 2.

const world = useServer();
const bearer = (token: string) => ({ ws: { headers: { authorization: `Bearer ${token}` } } });

describe('subprotocols', () => {
  test.each([
    [undefined, ''],
    ['gapless.v1.json', 'gapless.v1.json'],
    ['gapless.v1.msgpack', 'gapless.v1.msgpack'],
  ] as const)('%s is answered with %j and carries the same frames', async (subprotocol, chosen) => {
    const cid = await world.group('ada', 'bo');
    const client = await world.connect('ada', subprotocol === undefined ? {} : { subprotocol });
    expect(client.socket.protocol).toBe(chosen);
    expect(await client.join(cid)).toEqual({ t: 'joined', cid, head: 0, rev: 0, lastRead: 0 });
    client.send({ t: 'send', cid, mid: 'm1', kind: 'text', body: { text: 'grüße 👋', n: 1.5, none: null, list: [true, {}] } });
    const ack = await client.wait('ack');
    expect(ack).toEqual({ t: 'ack', cid, mid: 'm1', pos: 1, rev: 1, stage: 'saved', at: ack.at });
    expect(await client.wait('message')).toEqual({
      t: 'message',
      cid,
      seq: 1,
      rev: 1,
      mid: 'm1',
      from: 'ada',
      at: ack.at,
      kind: 'text',
      body: { text: 'grüße 👋', n: 1.5, none: null, list: [true, {}] },
    });
  });

  test('json travels in text messages, msgpack in binary ones', async () => {
    for (const [subprotocol, binary] of [
      ['gapless.v1.json', false],
      ['gapless.v1.msgpack', true],
    ] as const) {
      const client = await world.open({ subprotocol });
      const kind = new Promise((resolve) => client.socket.once('message', (_data, isBinary) => resolve(isBinary)));
      client.send({ t: 'auth', jwt: await signToken('ada') });
      expect(await kind).toBe(binary);
    }
  });

  test('the first known of several is taken; none known: the connection opens without one', async () => {
    const open = (offered: string[]) =>
      new Promise<WebSocket>((resolve, reject) => {
        const socket = new WebSocket(`${world.server.url.replace('http', 'ws')}/ws`, offered);
        socket.once('open', () => resolve(socket)).once('error', reject);
      });
    const chosen = await open(['other.v9', 'gapless.v1.msgpack', 'gapless.v1.json']);
    expect(chosen.protocol).toBe('gapless.v1.msgpack');
    chosen.close();
    // The client's library gives up when the server picks none of what it offered: RFC 6455, 4.1, leaves that to it.
    await expect(open(['other.v9'])).rejects.toThrow('Server sent no subprotocol');
  });

  test('a message of the other kind is no frame of this connection', async () => {
    const json = await world.connect('ada');
    json.sendRaw(Buffer.from('{"t":"ping","n":1}'));
    expect(await json.wait('error')).toMatchObject({ code: 'bad_frame' });
    const msgpack = await world.connect('ada', { subprotocol: 'gapless.v1.msgpack' });
    msgpack.socket.send('{"t":"ping","n":1}');
    expect(await msgpack.wait('error')).toMatchObject({ code: 'bad_frame' });
    expect([...json.of('pong'), ...msgpack.of('pong')]).toEqual([]);
  });
});

describe('batch', () => {
  /** Every WebSocket message as it came, before it is taken apart. */
  async function packets(query: string): Promise<unknown[][]> {
    const [one, two] = [await world.group('ada', 'bo'), await world.group('ada', 'bo')];
    const ada = await world.http('ada');
    for (const cid of [one, two]) {
      const saved = range(1, 30).map((i) => ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: `m${i}`, ...text(`${i}`) }));
      await Promise.all(saved);
    }
    const client = await world.open({ query });
    const got: unknown[] = [];
    client.socket.on('message', (data) => got.push(JSON.parse(data.toString())));
    client.send({ t: 'auth', jwt: await signToken('bo') });
    client.send({ t: 'sync', convs: [one, two].map((cid) => ({ cid, rev: 0 })) });
    for (const cid of [one, two]) await client.wait('message', (frame) => frame.cid === cid && frame.seq === 30);
    for (const cid of [one, two]) expect(messages(client, cid).map((frame) => frame.seq)).toEqual(range(1, 30));
    return [got, got.filter(Array.isArray)];
  }

  test.each(['', '?batch=0', '?batch=true'])('with %j no array is ever sent', async (query) => {
    const [, arrays] = await packets(query);
    expect(arrays).toEqual([]);
  });

  test('with ?batch=1 arrays hold frames of one conversation each, and nothing else is in them', async () => {
    const [all, arrays] = await packets('?batch=1');
    expect(arrays!.length).toBeGreaterThan(0);
    for (const array of arrays as { t: string; cid: string }[][]) {
      expect(array.length).toBeGreaterThan(1);
      expect(new Set(array.map((frame) => frame.cid)).size).toBe(1);
      expect(new Set(array.map((frame) => frame.t))).toEqual(new Set(['message']));
    }
    expect(all!.filter((packet) => !Array.isArray(packet)).map((frame) => (frame as { t: string }).t)).toContain('ready');
  });

  test('msgpack has no arrays, whatever is asked', async () => {
    const cid = await world.group('ada');
    const ada = await world.http('ada');
    for (const i of range(1, 5)) await ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: `m${i}`, ...text('x') });
    const client = await world.connect('ada', { query: '?batch=1', subprotocol: 'gapless.v1.msgpack' });
    let packets = 0;
    client.socket.on('message', () => packets++);
    const before = client.frames.length;
    client.send({ t: 'join', cid, rev: 0 });
    await client.wait('message', (frame) => frame.seq === 5);
    expect(client.frames.length - before).toBe(packets);
  });
});

describe('authentication', () => {
  test('by the first frame, by Bearer and by ?token=, with and without a device', async () => {
    const token = await signToken('ada');
    const ways = [
      await world.open({ token, device: 'phone' }),
      await world.open({ ...bearer(token), query: '?device=phone' }),
      await world.open({ query: `?token=${token}&device=phone` }),
    ];
    for (const client of ways) {
      const ready = await client.wait('ready');
      expect(ready).toMatchObject({ t: 'ready', userId: 'ada', device: 'phone', heartbeatMs: 15_000 });
      expect(ready.conn).toMatch(/./);
      expect(Math.abs(ready.serverTs - Date.now())).toBeLessThan(60_000);
      expect(ready.features).toEqual(expect.arrayContaining(['resume']));
      await client.settle();
    }
    expect(new Set(ways.map((client) => client.of('ready')[0]!.conn)).size).toBe(3);
    const nameless = await world.open({ token });
    expect(nameless.of('ready')[0]!.device).not.toBe('');
  });

  test('frames right behind the token are not lost', async () => {
    const client = await world.open({ query: `?token=${await signToken('ada')}` });
    client.send({ t: 'ping', n: 1 });
    client.send({ t: 'of-a-later-version' });
    client.sendRaw('{');
    client.send({ t: 'ping', n: 2 });
    await client.wait('pong', (frame) => frame.n === 2);
    // What happens in the user's conversations is told when it happens.
    const answers = client.frames.filter(({ t }) => t !== 'conversation');
    expect(answers.map((frame) => (frame.t === 'error' ? frame.code : frame.t))).toEqual([
      'ready',
      'pong',
      'unknown_type',
      'bad_frame',
      'pong',
    ]);
  });

  test('an unknown sub is created on first sight', async () => {
    const { body } = await (await world.http('never-seen-before', { name: 'Never Seen' })).call('GET', '/v1/me');
    expect(body).toMatchObject({ userId: 'never-seen-before', displayName: 'Never Seen', role: 'user' });
  });

  const sign = (claims: object, header: object = { alg: 'HS256' }, key = TEST_SECRET) =>
    new SignJWT(claims as Record<string, unknown>).setProtectedHeader(header as { alg: string }).sign(new TextEncoder().encode(key));
  const now = Math.floor(Date.now() / 1_000);
  const good = { sub: 'ada', iat: now, exp: now + 600 };
  const refused: [string, string, () => Promise<string> | string][] = [
    ['nonsense', 'unauthorized', () => 'nonsense'],
    ['three dots', 'unauthorized', () => 'a.b.c'],
    ['alg none', 'unauthorized', () => new UnsecuredJWT(good).encode()],
    ['alg HS512', 'unauthorized', () => sign(good, { alg: 'HS512' }, TEST_SECRET.repeat(2))],
    ['another secret', 'unauthorized', () => sign(good, { alg: 'HS256' }, 'b'.repeat(40))],
    ['no sub', 'unauthorized', () => sign({ iat: now, exp: now + 600 })],
    ['an empty sub', 'unauthorized', () => sign({ ...good, sub: '' })],
    ['a sub of 65', 'unauthorized', () => sign({ ...good, sub: 'x'.repeat(65) })],
    ['a sub that is a number', 'unauthorized', () => sign({ ...good, sub: 7 })],
    ['no exp', 'unauthorized', () => sign({ sub: 'ada', iat: now })],
    ['no iat', 'unauthorized', () => sign({ sub: 'ada', exp: now + 600 })],
    ['an unknown role', 'unauthorized', () => sign({ ...good, role: 'root' })],
    ['an iat in the future', 'unauthorized', () => sign({ ...good, iat: now + 3_600 })],
    ['a nbf in the future', 'unauthorized', () => sign({ ...good, nbf: now + 3_600 })],
    ['a header with its own key', 'unauthorized', () => sign(good, { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } })],
    ['an expired token', 'token_expired', () => sign({ sub: 'ada', iat: now - 600, exp: now - 1 })],
  ];
  test.each(refused)('%s: %s, then close 4401, in all three ways; 401 over HTTP', async (_name, code, make) => {
    const token = await make();
    const first = await world.open();
    first.send({ t: 'auth', jwt: token });
    const ways = [first, await world.open(bearer(token)), await world.open({ query: `?token=${encodeURIComponent(token)}` })];
    for (const client of ways) {
      expect((await client.closed).code).toBe(4401);
      expect(client.frames.map((frame) => [frame.t, (frame as { code?: string }).code])).toEqual([['error', code]]);
    }
    const response = await fetch(`${world.server.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([401, code]);
  });

  test.each([
    ['another frame first', JSON.stringify({ t: 'ping' })],
    ['nonsense first', '{'],
    ['an auth without a token', JSON.stringify({ t: 'auth' })],
  ])('%s: unauthorized, then close 4401', async (_name, raw) => {
    const client = await world.open();
    client.sendRaw(raw);
    expect((await client.closed).code).toBe(4401);
    expect(client.frames).toMatchObject([{ t: 'error', code: 'unauthorized' }]);
  });

  test('no token within 5 s: unauthorized, then close 4401', async () => {
    const client = await world.open();
    expect((await client.closed).code).toBe(4401);
    expect(client.frames).toMatchObject([{ t: 'error', code: 'unauthorized' }]);
  });

  test('a later auth of the same user is answered; of another user it closes 4401', async () => {
    const client = await world.connect('ada');
    client.send({ t: 'auth', jwt: await signToken('ada') });
    await client.wait('ready', () => client.of('ready').length === 2);
    client.send({ t: 'auth', jwt: await signToken('bo') });
    expect((await client.closed).code).toBe(4401);
    expect(client.of('error')).toMatchObject([{ code: 'unauthorized' }]);
  });
});

test('there is nothing to upgrade to on other paths', async () => {
  await expect(WireClient.connect({ url: `${world.server.url}/v1` })).rejects.toThrow('404');
});
