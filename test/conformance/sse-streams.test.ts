import { connect } from 'node:net';
import { launchServer, SseClient, signToken, takeEvents, WireClient } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import { seqs, useStreams } from './streams.ts';
import { range, text } from './world.ts';

// PROTOCOL, section 2: SSE streams that break and resume, are slow, are counted, and end.

const { world, streams, open, connected, joined, say } = useStreams();

describe('resume', () => {
  test('by Last-Event-ID and by ?lastEventId=: joined again, and what came after', async () => {
    const cid = await world.group('ada', 'bo');
    const first = await joined('ada', cid);
    await say(cid, 1, 5);
    await first.wait('message', ({ seq }) => seq === 5);
    await first.until(() => first.lastEventId === `${cid}.5`);
    first.cut();
    await say(cid, 6, 9);
    for (const how of [{ headers: { 'last-event-id': first.lastEventId } }, { query: `?lastEventId=${first.lastEventId}` }]) {
      const again = await connected('ada', how);
      await again.wait('message', ({ seq }) => seq === 9);
      expect(again.frames.map(({ t }) => t).filter((t) => t === 'ready' || t === 'joined' || t === 'message')).toEqual([
        'ready',
        'joined',
        ...range(6, 9).map(() => 'message'),
      ]);
      expect(seqs(again, cid)).toEqual(range(6, 9));
    }
  });

  test('also when the token comes with the first frame, before what comes behind it', async () => {
    const cid = await world.group('ada', 'bo');
    await say(cid, 1, 3);
    const stream = await open('', { 'last-event-id': `${cid}.1` });
    await stream.send({ t: 'auth', jwt: await signToken('ada') }, { t: 'leave', cid });
    await stream.wait('joined');
    await stream.settle();
    await say(cid, 4, 5);
    await stream.settle();
    expect(seqs(stream, cid).at(-1) ?? 0).toBeLessThan(4);
  });

  test.each(['nonsense', 'a.b.c', '%00', `${'x'.repeat(65)}.1`])(
    'by %j: bad_frame that names it, and the connection goes on',
    async (id) => {
      const stream = await connected('ada', { query: `?lastEventId=${encodeURIComponent(id)}` });
      expect(await stream.wait('error')).toMatchObject({ code: 'bad_frame', msg: expect.stringContaining('Last-Event-ID') });
      await stream.settle();
      expect(stream.of('joined')).toEqual([]);
    },
  );

  test('of a conversation one is not in any more: not_participant, the others go on', async () => {
    const [mine, others] = [await world.group('ada'), await world.group('bo')];
    const stream = await connected('ada', { headers: { 'last-event-id': `${others}.0~${mine}.0` } });
    expect(await stream.wait('error')).toMatchObject({ code: 'not_participant', ref: { t: 'sync', cid: others } });
    expect(await stream.wait('joined')).toMatchObject({ cid: mine });
  });

  test('beyond the head: reset', async () => {
    const cid = await world.group('ada');
    const stream = await connected('ada', { headers: { 'last-event-id': `${cid}.99` } });
    expect(await stream.wait('joined')).toMatchObject({ cid, reset: true });
  });

  test.each(range(1, 5))('a stream that is cut again and again under traffic: nothing lost, nothing out of order (round %i)', async () => {
    const cids = [await world.group('ada', 'bo'), await world.group('ada', 'bo')];
    const total = 400;
    for (const cid of cids) await say(cid, 1, 100);
    const bo = await world.connect('bo');
    const sending = (async () => {
      for (const i of range(101, total)) {
        for (const cid of cids) bo.send({ t: 'send', cid, mid: `m${i}`, ...text(`${i}`) });
        if (i % 10 === 0) await bo.settle();
      }
    })();

    // What a browser keeps of the stream: its last whole event with an id, and every frame that came whole.
    let id = '';
    const got = new Map<string, number>(cids.map((cid) => [cid, 0]));
    let cuts = 0;
    for (;;) {
      const stream = await connected('ada', id === '' ? {} : { headers: { 'last-event-id': id } });
      if (id === '')
        await stream.send({
          t: 'sync',
          convs: [
            { cid: cids[0], rev: 0 },
            { cid: cids[1], since: 0 },
          ],
        });
      const bytes = Math.floor(Math.random() * 12_000);
      const isDone = () => cids.every((cid) => (seqs(stream, cid).at(-1) ?? got.get(cid)) === total);
      await stream.until(() => isDone() || (stream.text.length > bytes && stream.lastEventId !== ''));
      stream.cut();
      await stream.closed;
      for (const cid of cids) {
        const seen = seqs(stream, cid);
        // Without a hole, and from no further on than what is known; the end of what came may come again.
        if (seen.length > 0) expect(seen).toEqual(range(seen[0]!, seen.at(-1)!));
        expect(seen[0] ?? 0).toBeLessThanOrEqual(got.get(cid)! + 1);
        got.set(cid, Math.max(got.get(cid)!, seen.at(-1) ?? 0));
      }
      if (stream.lastEventId !== '') id = stream.lastEventId;
      if ([...got.values()].every((seq) => seq === total)) break;
      cuts++;
    }
    await sending;
    expect(cuts).toBeGreaterThan(2);
  });

  test('a text cut at any byte: what a client has whole is never behind the id it sends', async () => {
    const cid = await world.group('ada', 'bo');
    await say(cid, 1, 30);
    const stream = await joined('ada', cid, { rev: 0 });
    await stream.wait('message', ({ seq }) => seq === 30);
    await say(cid, 31, 40);
    await stream.wait('message', ({ seq }) => seq === 40);
    for (const end of range(1, stream.text.length)) {
      let rev = 0;
      for (const { data, id } of takeEvents(stream.text.slice(0, end)).events) {
        const frame = JSON.parse(data ?? '{}');
        if (frame.t === 'message') rev = frame.rev;
        if (id !== undefined) expect(Number.parseInt(id.split('.')[1]!, 36)).toBeLessThanOrEqual(rev);
      }
    }
  });
});

describe('a client that does not read', () => {
  test('costs a bounded memory, is answered 503 while it does not, and reads all of it when it does', async () => {
    const cid = await world.group('ada', 'bo');
    const stream = await joined('ada', cid);
    await stream.settle();
    const before = world.server.rssBytes();
    stream.response.pause();
    const bo = await world.connect('bo');
    let refused: Awaited<ReturnType<SseClient['post']>> | undefined;
    let sent = 0;
    while (refused === undefined) {
      await bo.say(cid, `m${++sent}`, 'x'.repeat(16_000));
      // Reads the events as they were until it is told that it must read on: no progress closes it, so not for long.
      const answer = await stream.post({ t: 'ping' });
      if (answer.status !== 202) refused = answer;
    }
    expect(refused.status).toBe(503);
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'server_busy', retryAfterMs: expect.any(Number) });
    expect(refused.headers.get('retry-after')).toBe('1');
    stream.response.resume();
    await stream.wait('message', ({ seq }) => seq === sent);
    expect(seqs(stream, cid)).toEqual(range(1, sent));
    expect(world.server.rssBytes() - before).toBeLessThan(96 * 1_024 * 1_024);
  });

  test('and takes nothing for too long is closed', async () => {
    const cid = await world.group('ada', 'bo');
    const socket = connect(world.server.port, '127.0.0.1').on('error', () => {});
    const token = await signToken('ada');
    socket.write(`GET /sse?lastEventId=${cid}.0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    let head = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      head += chunk;
    });
    while (!head.includes('"t":"joined"')) await new Promise((resolve) => socket.once('data', resolve));
    const conn = /"conn":"([^"]+)"/.exec(head)![1];
    socket.pause();
    const bo = await world.connect('bo');
    const status = async () =>
      (
        await fetch(`${world.server.url}/sse/${conn}/frames`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"t":"ack","cid":"x","pos":0}',
        })
      ).status;
    let last = 0;
    for (let i = 1; last !== 404; i++) {
      if (last !== 503) await bo.say(cid, `m${i}`, 'x'.repeat(16_000));
      last = await status();
    }
    expect(await (await fetch(`${world.server.url}/metrics`)).text()).toMatch(/gapless_closes_total\{reason="slow_consumer"\} 1/);
    socket.destroy();
  });
});

test('streams are counted, and gone when they are', async () => {
  const count = async () => Number(/gapless_sse_connections (\d+)/.exec(await (await fetch(`${world.server.url}/metrics`)).text())![1]);
  for (const stream of streams) stream.cut();
  while ((await count()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const stream = await connected('ada');
  expect(await count()).toBe(1);
  stream.cut();
});

describe('limits and the end', () => {
  test('more connections than allowed: 503, shared with WebSocket', async () => {
    const server = await launchServer({ env: { GAPLESS_MAX_CONNECTIONS: '2' } });
    const first = await SseClient.open({ url: server.url });
    const second = await WireClient.connect({ url: server.url });
    const third = await SseClient.open({ url: server.url });
    expect(third.status).toBe(503);
    expect(third.headers['content-type']).toContain('application/problem+json');
    expect(third.headers['retry-after']).toMatch(/^\d+$/);
    await expect(WireClient.connect({ url: server.url })).rejects.toThrow('503');
    first.cut();
    await second.close();
    expect(await server.stop()).toBe(0);
  });

  test('SIGTERM: goaway, close 1001, exit status 0, also with one that does not read; none is opened any more', async () => {
    const server = await launchServer({ env: { GAPLESS_DRAIN_SPREAD_MS: '500' } });
    const authorization = `Bearer ${await signToken('ada')}`;
    const all = await Promise.all(range(1, 5).map(() => SseClient.open({ url: server.url, headers: { authorization } })));
    for (const stream of all) await stream.wait('ready');
    const stuck = await SseClient.open({ url: server.url, headers: { authorization } });
    stuck.response.pause();
    const began = Date.now();
    const status = server.stop();
    await all[0]!.wait('goaway');
    const late = await SseClient.open({ url: server.url, headers: { authorization } }).catch(() => undefined);
    expect(late?.status ?? 503).toBe(503);
    for (const stream of all) {
      expect((await stream.closed).code).toBe(1001);
      expect(stream.frames.at(-1)).toEqual({ t: 'goaway', reconnectInMs: expect.any(Number) });
    }
    expect(await status).toBe(0);
    expect(Date.now() - began).toBeLessThan(8_000);
  });
});
