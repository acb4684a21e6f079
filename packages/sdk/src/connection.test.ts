import { describe, expect, test, vi } from 'vitest';
import type { FakeSocket } from './testing/fake-connection.ts';
import { network, online, opened, reported, setup, texts, until } from './testing/setup.ts';
import type { ConnectionState } from './types.ts';

// Goal: the connection comes back by the protocol's rules. Method: a fake server that closes, stays silent or refuses.

test('auth is the first frame; the token is not in the URL', async () => {
  const { server, client } = setup();
  client.connect();
  await online(client);
  expect(server.live.url).toBe('wss://chat.example.org/ws?batch=1&pull=1');
  expect((server.live as FakeSocket).protocols).toBe('gapless.v1.json');
  expect(server.live.received[0]).toEqual({ t: 'auth', jwt: 'token-ann', device: 'device-1' });
  expect(client.userId).toBe('ann');
});

test('the delay doubles to 8 s; neither opening nor being ready for a moment resets it', async () => {
  const { server, client } = setup();
  vi.spyOn(Math, 'random').mockReturnValue(0.999);
  const delays: number[] = [];
  client.on('state', (state) => {
    if (state === 'waiting') delays.push(Math.round(client.connection.getSnapshot().retryAt! - Date.now()));
  });
  // Opens, and closes before `ready`.
  server.intercept = (socket) => {
    socket.end(1006);
    return true;
  };
  client.connect();
  await until(() => delays.length === 6);
  expect(delays.map((ms) => Math.round(ms / 100) * 100)).toEqual([500, 1000, 2000, 4000, 8000, 8000]);
  // Ready, and closed at once.
  server.intercept = (socket) => {
    setTimeout(() => socket.end(1006), 100);
    return false;
  };
  await until(() => delays.length === 9);
  expect(Math.min(...delays.slice(6))).toBeGreaterThan(7_900);
  server.intercept = () => false;
  await online(client);
  await vi.advanceTimersByTimeAsync(5_000);
  server.drop();
  await until(() => delays.length === 10);
  expect(delays[9]).toBeLessThanOrEqual(500);
});

describe('the close code decides', () => {
  test.each([1009, 4400, 4403])('%i: closed for good', async (code) => {
    const { server, client } = setup();
    const states: [ConnectionState, number | undefined][] = [];
    client.on('state', (state, reason) => states.push([state, reason?.code]));
    client.connect();
    await online(client);
    server.drop(code);
    await until(() => client.state === 'closed');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(states).toEqual([
      ['connecting', undefined],
      ['online', undefined],
      ['closed', code],
    ]);
  });

  test.each([1001, 1006, 1013, 4408, 4409, 4429])('%i: again', async (code) => {
    const { server, client } = setup();
    client.connect();
    await online(client);
    server.drop(code);
    await until(() => client.state !== 'online');
    await online(client);
    expect(server.sockets.length).toBe(2);
  });

  test('4401: a new token is asked for; the same twice is the end', async () => {
    let token = 'token-old';
    const { server, client } = setup({ getToken: async () => token });
    client.connect();
    await until(() => client.state === 'waiting');
    token = 'token-ann';
    await online(client);
    server.tokens.clear();
    server.drop(4401);
    await until(() => client.state === 'closed');
    expect(server.sockets.length).toBe(3);
  });
});

test('no token: closed', async () => {
  const { client, server } = setup({ getToken: async () => undefined });
  client.connect();
  await until(() => client.state === 'closed');
  expect(server.sockets).toEqual([]);
});

test('goaway: a new connection after the time it names, without a pause', async () => {
  const { server, client } = await opened();
  server.tell({ t: 'goaway', reconnectInMs: 3_000 });
  await vi.advanceTimersByTimeAsync(2_900);
  expect(server.sockets.length).toBe(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(server.sockets.length).toBe(2);
  expect(client.state).toBe('online');
});

test('a silent connection is asked, then dropped; one that answers stays', async () => {
  const { server, client } = setup();
  client.connect();
  await online(client);
  await until(() => server.frames('ping').length === 2);
  expect(server.sockets.length).toBe(1);
  server.mute = true;
  await until(() => client.state === 'waiting');
  expect(server.frames('ping').length).toBe(3);
});

test('a message and no word for some seconds: asked whether the line lives, sent again on the next one', async () => {
  const { server, client } = await opened();
  const pings = server.frames('ping').length;
  server.mute = true;
  let status: string | undefined;
  void client
    .conversation('c1')
    .send({ body: { text: 'hello' } })
    .then((message) => (status = message.status));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(server.frames('ping').length).toBe(pings);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([server.frames('ping').length, client.state]).toEqual([pings + 1, 'online']);
  server.mute = false;
  await until(() => status === 'sent');
  expect([server.frames('send').length, server.sockets.length]).toEqual([2, 2]);
});

test('connect() while waiting tries at once', async () => {
  const { server, client } = setup();
  server.down = true;
  client.connect();
  await until(() => server.sockets.length >= 5 && client.state === 'waiting');
  server.down = false;
  client.connect();
  await vi.advanceTimersByTimeAsync(0);
  expect(client.state).toBe('online');
});

test('another network while connecting: dialled anew, whatever the attempt before waits for', async () => {
  const { changed } = network();
  let asked = 0;
  const { server, client } = setup({ getToken: () => (asked++ === 0 ? new Promise(() => {}) : Promise.resolve('token-ann')) });
  client.connect();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(client.state).toBe('connecting');
  changed();
  await vi.advanceTimersByTimeAsync(10);
  expect([client.state, server.sockets.length]).toEqual(['online', 1]);
});

test('before ready, only the protocol’s own close codes are the server’s word', async () => {
  const { server, client } = setup();
  let code = 1009;
  server.intercept = (socket) => {
    socket.end(code);
    return true;
  };
  client.connect();
  await until(() => server.sockets.length === 4);
  code = 4400;
  await until(() => client.state === 'closed');
});

test('nothing is heard of a batch after the frame that ended it all', async () => {
  const { server, client } = await opened();
  const heard: string[] = [];
  client.on('kick', () => client.close());
  client.on('error', ({ code }) => heard.push(code));
  server.onWire = (frame) => (frame.t === 'kick' ? [frame, { t: 'error', code: 'internal', msg: '' }] : [frame]);
  server.tell({ t: 'kick', code: 'signed_out', msg: '' });
  await vi.advanceTimersByTimeAsync(10);
  expect([client.state, heard]).toEqual(['closed', []]);
});

test.each(['websocket', 'sse'] as const)(
  'over %s, an error while a frame is handled is reported, and costs only that frame',
  async (transport) => {
    const errors = reported();
    const { server, client } = setup({ transport });
    server.sse = true;
    server.open('c1');
    client.connect();
    const conversation = client.conversation('c1');
    conversation.open();
    await until(() => conversation.getSnapshot().loaded);
    vi.spyOn(conversation as unknown as { onTyping(): void }, 'onTyping').mockImplementation(() => {
      throw new Error('a mistake');
    });
    // In one batch, where there are batches.
    server.onWire = (frame) => (frame.t === 'message' ? [{ t: 'typing', cid: 'c1', from: 'bob', on: true }, frame] : [frame]);
    server.post('c1', 'bob', 'hello');
    await until(() => texts(conversation).join() === 'hello');
    await vi.advanceTimersByTimeAsync(5_000);
    expect([errors.map(String), server.sockets.length, client.state]).toEqual([['Error: a mistake'], 1, 'online']);
  },
);

test('a token that expires is replaced on the same connection, and nothing is joined anew', async () => {
  let token = 'token-ann';
  const { server, client } = await opened({ getToken: async () => token });
  const states: ConnectionState[] = [];
  client.on('state', (state) => states.push(state));
  token = 'token-ann-2';
  server.tokens.set(token, 'ann');
  server.tell({ t: 'error', code: 'token_expired', msg: '' });
  await until(() => server.frames('auth').length === 2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.frames('auth')[1]!.jwt).toBe('token-ann-2');
  expect([states, server.sockets.length, server.frames('join').length + server.frames('sync').length]).toEqual([[], 1, 1]);
});

test('close() is final until connect()', async () => {
  const { server, client } = await opened();
  client.close();
  client.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([client.state, server.sockets.length]).toEqual(['closed', 1]);
  client.connect();
  await online(client);
});
