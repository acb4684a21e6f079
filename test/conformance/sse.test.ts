import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { HttpClient, signToken } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import { code, codes, FOREIGN, untilGone, useStreams } from './streams.ts';
import { range, text } from './world.ts';

// PROTOCOL, section 2: SSE down, HTTP up. The heartbeat (15 s) and silence (45 s) stand beside the gateway, by a driven clock.

const { world, streams, open, connected, joined } = useStreams();

describe('the stream', () => {
  test('head, first event, retry, ready, and a frame per event', async () => {
    const stream = await connected('ada');
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.any(String),
      connection: 'close',
    });
    expect(stream.headers).not.toHaveProperty('transfer-encoding');
    const [conn, retry, ready] = stream.events;
    expect(conn).toEqual({ event: 'conn', data: JSON.stringify({ t: 'conn', conn: stream.conn }) });
    expect(stream.conn).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(Object.keys(retry!)).toEqual(['retry']);
    expect(Number(retry!.retry)).toBeGreaterThanOrEqual(1_000);
    expect(Number(retry!.retry)).toBeLessThanOrEqual(8_000);
    expect(JSON.parse(ready!.data!)).toMatchObject({ t: 'ready', userId: 'ada', conn: stream.conn, heartbeatMs: 15_000 });
    expect(stream.of('ready')[0]!.features).toContain('sse');
  });

  test('no two are told the same time to come back, nor the same conn', async () => {
    const some = await Promise.all(range(1, 8).map(() => open()));
    for (const stream of some) await stream.until(() => stream.events.length >= 2);
    expect(new Set(some.map((stream) => stream.events[1]!.retry)).size).toBeGreaterThan(1);
    expect(new Set(some.map((stream) => stream.conn)).size).toBe(8);
    for (const stream of some) stream.cut();
  });

  test('behind another request on the same connection there is none', async () => {
    const socket = connect(world.server.port, '127.0.0.1').on('error', () => {});
    const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    let all = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      all += chunk;
    });
    socket.write(request('/readyz') + request('/sse') + request('/livez'));
    while ((all.match(/HTTP\/1\.1 \d+/g) ?? []).length < 3) await new Promise((resolve) => socket.once('data', resolve));
    expect(all.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400', 'HTTP/1.1 200']);
    expect(all).not.toContain('event:');
    socket.destroy();
  });

  test('a HEAD opens none', async () => {
    expect((await fetch(`${world.server.url}/sse`, { method: 'HEAD' })).status).toBe(404);
  });
});

describe('authentication', () => {
  test('by Bearer, by ?token= and by the first frame, with a device', async () => {
    const token = await signToken('ada');
    const first = await open();
    expect(await first.send({ t: 'auth', jwt: token, device: 'phone' }, { t: 'ping', n: 1 })).toBe(202);
    const ways = [first, await open('?device=phone', { authorization: `Bearer ${token}` }), await open(`?token=${token}&device=phone`)];
    for (const stream of ways) {
      expect(await stream.wait('ready')).toMatchObject({ userId: 'ada', device: 'phone', conn: stream.conn });
      await stream.settle();
    }
    expect(first.frames.map(({ t }) => t).slice(0, 2)).toEqual(['ready', 'pong']);
  });

  test.each([
    ['nonsense', 'unauthorized', () => 'nonsense'],
    ['an expired one', 'token_expired', () => signToken('ada', { lifeSec: -1 })],
  ])('%s: %s, then close 4401, in all three ways', async (_name, expected, make) => {
    const token = await make();
    const first = await open();
    await first.send({ t: 'auth', jwt: token });
    for (const stream of [first, await open('', { authorization: `Bearer ${token}` }), await open(`?token=${token}`)]) {
      expect(await stream.closed).toEqual({ code: 4401, reason: 'unauthorized' });
      expect(codes(stream)).toEqual([expected]);
      expect(stream.events.at(-1)).toEqual({ event: 'close', data: '{"t":"close","code":4401,"reason":"unauthorized"}' });
    }
  });

  test('another frame first, or none for 5 s: unauthorized, then close 4401', async () => {
    const [other, silent] = [await open(), await open()];
    await other.send({ t: 'ping' });
    for (const stream of [other, silent]) {
      expect((await stream.closed).code).toBe(4401);
      expect(codes(stream)).toEqual(['unauthorized']);
    }
  });

  test('an expiring token is renewed by a frame', async () => {
    const stream = await open(`?token=${await signToken('ada', { lifeSec: 2 })}`);
    await stream.wait('error');
    await stream.send({ t: 'auth', jwt: await signToken('ada') });
    await stream.until(() => stream.of('ready').length === 2);
    expect(codes(stream)).toEqual(['token_expired']);
    await stream.settle();
  });
});

describe('frames up', () => {
  test('one, or an array in its order, 202 without a body; the answers come on the stream', async () => {
    const cid = await world.group('ada', 'bo');
    const stream = await joined('ada', cid);
    const one = await stream.post({ t: 'ping', n: 0 });
    expect([one.status, one.text]).toEqual([202, '']);
    const frames = range(1, 100).map((i) => ({ t: 'send', cid, mid: `m${i}`, ...text(`${i}`) }));
    expect((await stream.post(frames)).status).toBe(202);
    await stream.wait('message', (frame) => frame.seq === 100);
    expect(stream.of('message').map(({ mid }) => mid)).toEqual(range(1, 100).map((i) => `m${i}`));
    expect(
      stream
        .of('ack')
        .map(({ pos }) => pos)
        .toSorted((a, b) => a - b),
    ).toEqual(range(1, 100));
  });

  test('a frame that fits no schema is told on the stream, the others are taken', async () => {
    const stream = await connected('ada');
    const { status } = await stream.post([{ t: 'ping', n: 1 }, { t: 'join' }, { t: 'of-a-later-version' }, 5, { t: 'ping', n: 2 }]);
    expect(status).toBe(202);
    await stream.wait('pong', ({ n }) => n === 2);
    expect(stream.frames.map((frame) => (frame.t === 'error' ? frame.code : frame.t))).toEqual([
      'ready',
      'pong',
      'bad_frame',
      'unknown_type',
      'bad_frame',
      'pong',
    ]);
  });

  test('more than 3 of them in 10 s: close 4400, and nothing behind them is done', async () => {
    const cid = await world.group('ada');
    const stream = await joined('ada', cid);
    await stream.post([...range(1, 4).map(() => ({ t: 'join' })), { t: 'send', cid, mid: 'm', ...text('x') }]);
    expect((await stream.closed).code).toBe(4400);
    const ada = await world.http('ada');
    // Behind whatever may be on its way to the store.
    const { body } = await ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'later', ...text('x') });
    expect(body.seq).toBe(1);
  });

  test.each([
    ['no JSON', 400, 'bad_frame', '{'],
    ['a number', 400, 'bad_frame', '5'],
    ['no body', 400, 'bad_frame', ''],
    ['no frames', 400, 'bad_frame', '[]'],
    ['101 frames', 400, 'bad_frame', JSON.stringify(range(1, 101).map(() => ({ t: 'ping' })))],
    ['more than 64 KiB', 413, 'too_large', JSON.stringify({ t: 'ping', more: 'x'.repeat(65_536) })],
  ])('%s: %i', async (_name, status, expected, body) => {
    const stream = await connected('ada');
    const answer = await stream.post(body);
    expect([answer.status, code(answer)]).toEqual([status, expected]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    await stream.settle();
    expect(codes(stream)).toEqual([]);
  });

  test('another type of content: 400', async () => {
    const stream = await connected('ada');
    expect((await stream.post('{"t":"ping"}', { 'content-type': 'text/plain' })).status).toBe(400);
  });

  test('an unknown connection, and one that ended: 404', async () => {
    const stream = await connected('ada');
    const gone = await connected('ada');
    gone.cut();
    await gone.closed;
    stream.conn = 'A'.repeat(22);
    for (const { post } of [{ post: () => stream.post({ t: 'ping' }) }, { post: () => untilGone(gone) }]) {
      const answer = await post();
      expect([answer.status, code(answer)]).toEqual([404, 'not_found']);
    }
  });

  test('a token beside the conn must be good, and of the same user', async () => {
    const stream = await connected('ada');
    const post = async (authorization: string) => {
      const answer = await stream.post({ t: 'ping', n: 7 }, { authorization });
      return [answer.status, answer.text === '' ? '' : code(answer)];
    };
    expect(await post(`Bearer ${await signToken('bo')}`)).toEqual([403, 'forbidden']);
    expect(await post(`Bearer ${await signToken('ada', { lifeSec: -1 })}`)).toEqual([401, 'token_expired']);
    expect(await post('Bearer nonsense')).toEqual([401, 'unauthorized']);
    expect(await post('Basic YTpi')).toEqual([401, 'unauthorized']);
    await stream.settle();
    expect(stream.of('pong').filter(({ n }) => n === 7)).toEqual([]);
    expect(await post(`Bearer ${await signToken('ada')}`)).toEqual([202, '']);
    await stream.wait('pong', ({ n }) => n === 7);
  });
});

describe('origins', () => {
  const token = () => signToken('ada');

  test('an allowed one may read; its own needs nothing; any other is refused', async () => {
    const foreign = await connected('ada', { headers: { origin: FOREIGN } });
    expect(foreign.headers).toMatchObject({ 'access-control-allow-origin': FOREIGN, vary: 'origin' });
    const own = await connected('ada', { headers: { origin: world.server.url } });
    expect(own.headers).not.toHaveProperty('access-control-allow-origin');
    for (const origin of ['https://evil.example', 'null', `${FOREIGN}.evil.example`]) {
      const refused = await open('', { origin, authorization: `Bearer ${await token()}` });
      expect(refused.status).toBe(403);
      expect(refused.headers['content-type']).toContain('application/problem+json');
      expect(refused.headers).not.toHaveProperty('access-control-allow-origin');
      const post = await own.post({ t: 'ping', n: 3 }, { origin });
      expect([post.status, code(post)]).toEqual([403, 'forbidden']);
    }
    const taken = await foreign.post({ t: 'ping' }, { origin: FOREIGN });
    expect([taken.status, taken.headers.get('access-control-allow-origin'), taken.headers.get('vary')]).toEqual([202, FOREIGN, 'origin']);
    await own.settle();
    expect(own.of('pong').some(({ n }) => n === 3)).toBe(false);
  });

  test('problems can be read from there too', async () => {
    const stream = await connected('ada');
    for (const body of ['{', { t: 'ping' }]) {
      if (body !== '{') stream.conn = 'unknown';
      const { headers } = await stream.post(body, { origin: FOREIGN });
      expect(headers.get('access-control-allow-origin')).toBe(FOREIGN);
    }
  });

  test.each([
    ['/sse', 'GET'],
    ['/sse/some/frames', 'POST'],
  ])('preflight of %s', async (path, method) => {
    const ask = (origin: string) =>
      fetch(`${world.server.url}${path}`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': method } });
    const allowed = await ask(FOREIGN);
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([204, FOREIGN]);
    expect(allowed.headers.get('access-control-allow-methods')).toBe(method);
    expect(allowed.headers.get('access-control-allow-headers')).toBe('authorization, content-type, last-event-id');
    expect((await ask('https://evil.example')).status).toBe(403);
  });
});

test('a sign-out ends the stream with a kick and 4403', async () => {
  const anyone = new HttpClient(world.server.url);
  const { accessToken } = (
    await anyone.call('POST', '/v1/auth/register', { username: `u${randomUUID()}`, password: 'a long enough password' })
  ).body;
  const stream = await open(`?token=${accessToken}`);
  await stream.wait('ready');
  await new HttpClient(world.server.url, accessToken).call('POST', '/v1/auth/logout');
  expect((await stream.closed).code).toBe(4403);
  expect(stream.frames.at(-1)).toMatchObject({ t: 'kick' });
});

test('no log line has the conn or a token of a stream', async () => {
  const token = await signToken('ada');
  const stream = await open(`?token=${token}`);
  await stream.wait('ready');
  await stream.post({ t: 'ping' }, { authorization: 'Bearer nonsense' });
  await stream.post('{', { origin: 'https://evil.example' });
  await stream.post([{ t: 'join' }, { t: 'send', cid: 'nowhere', mid: 'm', ...text('x') }]);
  await stream.settle();
  await stream.post(range(1, 4).map(() => ({ t: 'join' })));
  await stream.closed;
  await stream.post({ t: 'ping' });
  await world.backend.call('GET', '/livez');
  const lines = world.server.output();
  expect(lines).toContain('request refused');
  for (const secret of [...streams].map(({ conn }) => conn).filter((conn) => conn.length === 22 && conn !== 'A'.repeat(22)))
    expect(lines).not.toContain(secret);
  expect(lines).not.toContain(token);
});
