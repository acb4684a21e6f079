import { expect, test, vi } from 'vitest';
import { problem } from '../testing/fake-server.ts';
import { network, online, opened, outcome, range, seqs, setup, texts, until } from '../testing/setup.ts';
import type { Client, ClientOptions, ConnectionState } from '../types.ts';

// Goal: a network that lets no WebSocket through costs nobody a message, and one that does again is used again.
// Method: a fake server with both transports, and a network that refuses or swallows.

const MINUTE_MS = 60_000;
const transportOf = (client: Client) => client.connection.getSnapshot().transport;

/** Ann's client where no WebSocket gets through. */
function blocked(how: 'refused' | 'swallowed' = 'refused', options: Partial<ClientOptions> = {}) {
  const world = setup(options);
  world.server.sse = true;
  world.server.webSocket = how;
  return world;
}

async function openedOverSse(messages = 0) {
  const { server, client } = blocked();
  server.open('c1');
  for (let n = 1; n <= messages; n++) server.post('c1', 'bob', `${n}`);
  client.connect();
  const conversation = client.conversation('c1');
  conversation.open();
  await until(() => conversation.getSnapshot().loaded);
  return { server, client, conversation };
}

test('SSE at once where a WebSocket is refused; the token is in a body, never in a URL', async () => {
  const { server, client } = blocked();
  const states: ConnectionState[] = [];
  client.on('state', (state) => states.push(state));
  expect(transportOf(client)).toBeUndefined();
  client.connect();
  await online(client);
  expect([transportOf(client), states]).toEqual(['sse', ['connecting', 'online']]);
  expect(server.streams[0]!.url).toBe('https://chat.example.org/sse?pull=1');
  expect(server.streams[0]!.posts[0]).toEqual([{ t: 'auth', jwt: 'token-ann', device: 'device-1' }]);
});

test('a WebSocket that opens and swallows everything counts as refused', async () => {
  const { server, client } = blocked('swallowed');
  client.connect();
  await online(client);
  expect([transportOf(client), server.sockets.length]).toEqual(['sse', 2]);
});

test('chat over SSE: in order, once each, batched while a POST is on its way', async () => {
  const { server, client, conversation } = await openedOverSse(2);
  const heard: (number | undefined)[] = [];
  client.on('message', ({ seq }) => heard.push(seq));
  const stream = server.streams[0]!;
  const before = stream.posts.length;
  const sends = range(1, 250).map((n) => client.conversation(`c${n}`).send({ body: { text: `${n}` } }));
  for (const n of range(2, 250)) server.open(`c${n}`);
  await outcome(Promise.all(sends));
  const posts = stream.posts.slice(before).filter(([frame]) => frame?.t === 'send');
  expect(posts.map(({ length }) => length).slice(0, -1)).toEqual([1, 100, 100]);
  expect(server.frames('send').map(({ cid }) => cid)).toEqual(range(1, 250).map((n) => `c${n}`));
  server.post('c1', 'bob', 'last');
  await until(() => seqs(conversation).length === 4);
  expect([texts(conversation), heard]).toEqual([
    ['1', '2', '1', 'last'],
    [3, 4],
  ]);
});

test('a batch is at most 64 KiB', async () => {
  const { server, client } = await openedOverSse();
  const stream = server.streams[0]!;
  const sizes: number[] = [];
  const { post } = stream;
  stream.post = (body) => {
    if (body.includes('"send"')) sizes.push(Buffer.byteLength(body));
    return post.call(stream, body);
  };
  // The last two wait for the POST of the first.
  const cids = ['c2', 'c3', 'c4'];
  for (const cid of cids) server.open(cid);
  const text = '漢'.repeat(15_000);
  const [first, ...others] = cids.map((cid) => client.conversation(cid));
  const sends = [first!.send({ body: { text } })];
  await vi.advanceTimersByTimeAsync(5);
  sends.push(...others.map((each) => each.send({ body: { text } })));
  await outcome(Promise.all(sends));
  expect(sizes.length).toBe(3);
  for (const bytes of sizes) {
    expect(bytes).toBeGreaterThan(45_000);
    expect(bytes).toBeLessThanOrEqual(64 * 1024);
  }
});

test('503 and 429: the same batch again, in order, after the time it names', async () => {
  const { server, conversation } = await openedOverSse();
  let refusals = 0;
  server.onPost = () => (refusals++ < 2 ? problem(refusals === 1 ? 503 : 429, 'server_busy', 700) : undefined);
  const startedAt = Date.now();
  const sends = ['a', 'b', 'c'].map((text) => conversation.send({ body: { text } }));
  await outcome(Promise.all(sends));
  expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1_400);
  await until(() => texts(conversation).join() === 'a,b,c');
  expect([server.streams.length, server.frames('send').length]).toEqual([1, 3]);
});

test.each([
  ['unknown connection', () => problem(404, 'not_found')],
  ['a broken POST', () => new TypeError('fetch failed')],
])('%s: another connection, nothing lost or twice', async (_, answer) => {
  const { server, client, conversation } = await openedOverSse(1);
  let failures = 1;
  server.onPost = () => (failures-- > 0 ? answer() : undefined);
  await outcome(conversation.send({ body: { text: 'mine' } }));
  expect([server.streams.length, transportOf(client)]).toEqual([2, 'sse']);
  await until(() => texts(conversation).join() === '1,mine');
  // What worked last is tried first.
  expect(server.sockets.map(({ transport }) => transport)).toEqual(['websocket', 'sse', 'sse']);
});

test('a POST that is never answered is noticed', async () => {
  const { server, client } = await openedOverSse();
  let hang = true;
  const { post } = server.streams[0]!;
  server.streams[0]!.post = (body) => (hang ? (new Promise(() => {}) as never) : post.call(server.streams[0], body));
  const sent = client.conversation('c1').send({ body: { text: 'x' } });
  await until(() => server.streams.length === 2);
  hang = false;
  await outcome(sent);
});

test.each([
  [4403, 'closed'],
  [4429, 'waiting'],
  [1006, 'waiting'],
])('the stream ends with %i: %s', async (code, state) => {
  const { server, client } = await openedOverSse();
  server.drop(code);
  await until(() => client.state === state);
});

test('each ping of the server is answered, by no timer: those of a hidden page hardly run', async () => {
  const { server } = await openedOverSse();
  for (let n = 1; n <= 5; n++) {
    server.streams[0]!.event('ping', { t: 'ping', serverTs: 1 });
    // The time a POST takes; no timer of the client is that short.
    await vi.advanceTimersByTimeAsync(30);
    expect(server.frames('ping').length).toBe(n);
  }
  await vi.advanceTimersByTimeAsync(20_000);
  expect(server.frames('ping').length).toBe(5);
});

test('silence of the stream is noticed', async () => {
  const { server, client } = await openedOverSse();
  server.mute = true;
  // The event `ping` is a sign of life too.
  for (let i = 0; i < 10; i++) {
    await vi.advanceTimersByTimeAsync(15_000);
    server.streams[0]!.event('ping', {});
  }
  expect([client.state, transportOf(client)]).toEqual(['online', 'sse']);
  await until(() => client.state !== 'online');
});

test.each([
  // Its end is not waited for.
  ['a page of the network’s own', () => new Response(new ReadableStream(), { headers: { 'content-type': 'text/html' } })],
  ['an empty answer', () => new Response(null, { status: 204 })],
])('%s instead of the stream: no connection', async (_, answer) => {
  const { server, client } = blocked();
  server.onStream = answer;
  client.connect();
  await vi.advanceTimersByTimeAsync(100);
  expect(client.state).toBe('waiting');
  server.onStream = () => undefined;
  await online(client);
});

test('a page of the network’s own instead of the answer to a POST: what was sent goes again', async () => {
  const { server, conversation } = await openedOverSse();
  let pages = 1;
  server.onPost = () => (pages-- > 0 ? new Response('<h1>Welcome</h1>') : undefined);
  await outcome(conversation.send({ body: { text: 'mine' } }));
  expect(server.streams.length).toBe(2);
});

test('a fetch that throws instead of rejecting is a failure like any other', async () => {
  const { server, client } = blocked('refused', {
    fetch: () => {
      throw new TypeError('no fetch here');
    },
  });
  client.connect();
  await until(() => client.state === 'waiting');
  server.webSocket = 'free';
  await online(client);
});

test('the server’s own word is no reason for another transport', async () => {
  const { server, client } = blocked();
  server.webSocket = 'free';
  server.tokens.clear();
  client.connect();
  await until(() => client.state === 'closed');
  expect(server.streams).toEqual([]);
});

test('neither gets through: the backoff, and WebSocket first again', async () => {
  const { server, client } = blocked();
  server.sse = false;
  client.connect();
  await until(() => server.sockets.length === 3);
  expect(server.requests.filter((request) => request === 'GET /sse').length).toBeGreaterThanOrEqual(2);
  server.webSocket = 'free';
  await online(client);
  expect(transportOf(client)).toBe('websocket');
});

test('back to WebSocket by itself: after a time that grows, without a gap, and only once it is ready', async () => {
  const { server, client, conversation } = await openedOverSse(1);
  const states: ConnectionState[] = [];
  client.on('state', (state) => states.push(state));
  const dials: number[] = [];
  const startedAt = Date.now();
  while (dials.length < 3) {
    const known = server.sockets.length;
    while (server.sockets.length === known) await vi.advanceTimersByTimeAsync(1_000);
    dials.push(Math.round((Date.now() - startedAt) / MINUTE_MS));
  }
  expect(dials).toEqual([1, 3, 7]);
  expect(transportOf(client)).toBe('sse');

  server.webSocket = 'free';
  const sends: Promise<unknown>[] = [];
  for (let n = 1; transportOf(client) === 'sse'; n++) {
    server.post('c1', 'bob', `b${n}`);
    sends.push(conversation.send({ body: { text: `a${n}` } }));
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(server.streams[0]!.readyState).toBe(3);
  await outcome(Promise.all(sends));
  server.post('c1', 'bob', 'last');
  await until(() => texts(conversation).at(-1) === 'last');
  while (conversation.getSnapshot().hasOlder) await conversation.loadOlder();
  expect(texts(conversation)).toEqual(server.at('c1').messages.map(({ body }) => body.text));
  expect(new Set(texts(conversation)).size).toBe(texts(conversation).length);
  expect(states).toEqual([]);
  server.drop();
  await until(() => client.state === 'waiting');
  await online(client);
  expect(server.sockets.at(-1)!.transport).toBe('websocket');
});

test('a changed network is a reason to try at once, and the growing time begins anew', async () => {
  const { changed } = network();
  const { server, client } = await openedOverSse();
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
  server.webSocket = 'free';
  changed();
  await until(() => transportOf(client) === 'websocket');
});

test('one transport when one is named', async () => {
  const { server, client } = setup({ transport: 'sse' });
  server.sse = true;
  client.connect();
  await online(client);
  expect([transportOf(client), server.sockets.length]).toEqual(['sse', 1]);
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS);
  expect(server.sockets.length).toBe(1);
});

test('only WebSocket when it is named', async () => {
  const { server, client } = blocked('refused', { transport: 'websocket' });
  client.connect();
  await until(() => server.sockets.length === 3);
  expect(server.streams).toEqual([]);
});

test('a conversation that was open before is told nothing twice by the old connection', async () => {
  const { server, client, conversation } = await opened();
  server.sse = true;
  server.webSocket = 'refused';
  server.drop();
  await until(() => transportOf(client) === 'sse');
  server.post('c1', 'bob', '1');
  await until(() => seqs(conversation).length === 1);
});
