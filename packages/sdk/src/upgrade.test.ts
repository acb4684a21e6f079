import { expect, test, vi } from 'vitest';
import { network, online, range, setup, until } from './testing/setup.ts';
import type { Client, ClientOptions } from './types.ts';

// Goal: a better transport is tried only as long as there is a connection to make better, and nothing old acts on the new one.
// Method: a client on SSE in a network that begins to let WebSockets through, and ends in the middle of it.

const HOUR_MS = 60 * 60_000;
const transportOf = (client: Client) => client.connection.getSnapshot().transport;

async function onSse(options: Partial<ClientOptions> = {}) {
  const { changed } = network();
  const { server, client } = setup(options);
  server.sse = true;
  server.webSocket = 'refused';
  client.connect();
  await online(client);
  server.webSocket = 'free';
  return { server, client, changed };
}

test.each([
  ['close', ({ client }: Awaited<ReturnType<typeof onSse>>) => client.close()],
  ['a kick', ({ server }: Awaited<ReturnType<typeof onSse>>) => server.drop(4403)],
])('after %s nothing is tried any more', async (_, end) => {
  const world = await onSse();
  const { server, client } = world;
  const known = server.sockets.length;
  end(world);
  await until(() => client.state === 'closed');
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(server.sockets.length).toBe(known);
});

test('a close while a WebSocket is being tried ends that, too', async () => {
  const { server, client, changed } = await onSse();
  server.mute = true;
  changed();
  await until(() => server.sockets.at(-1)!.transport === 'websocket');
  client.close();
  expect(server.sockets.map(({ readyState }) => readyState)).toEqual([3, 3, 3]);
});

test.each([
  ['a token that comes late', 'token-ann'],
  ['a sign-out', undefined],
])('%s opens nothing for a client that was closed meanwhile', async (_, late) => {
  let give: ((token: string | undefined) => void) | undefined;
  let slow = false;
  const getToken = () =>
    new Promise<string | undefined>((resolve) => {
      if (slow) give = resolve;
      else resolve('token-ann');
    });
  const { server, client, changed } = await onSse({ getToken });
  slow = true;
  changed();
  await until(() => give !== undefined);
  client.close();
  const known = server.sockets.length;
  give!(late);
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect([server.sockets.length, client.state]).toEqual([known, 'closed']);
});

test('who signs out while on SSE is tried for no more than what finds it out', async () => {
  let token: string | undefined = 'token-ann';
  const { server, client } = await onSse({ getToken: async () => token });
  const known = server.sockets.length;
  token = undefined;
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect([server.sockets.length, transportOf(client)]).toEqual([known, 'sse']);
  server.drop();
  await until(() => client.state === 'closed');
  await vi.advanceTimersByTimeAsync(HOUR_MS);
  expect(server.sockets.length).toBe(known);
});

test('what the old connection was told, to come back later, is not done by the new one', async () => {
  const { server, client, changed } = await onSse();
  server.tell({ t: 'goaway', reconnectInMs: 20_000 });
  await vi.advanceTimersByTimeAsync(100);
  changed();
  await until(() => transportOf(client) === 'websocket');
  const known = server.sockets.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect([server.sockets.length, transportOf(client)]).toEqual([known, 'websocket']);
});

test('the list is not loaded anew when a WebSocket takes over: only what came on top meanwhile', async () => {
  const { changed } = network();
  const { server, client } = setup();
  for (const n of range(1, 120)) server.open(`c${1_000 + n}`);
  server.sse = true;
  server.webSocket = 'refused';
  client.connect();
  await until(() => client.conversations.getSnapshot().loaded);
  void client.conversations.loadMore();
  await until(() => client.conversations.getSnapshot().items.length === 100);
  const pages = () => server.requests.filter((request) => request === 'GET /v1/conversations').length;
  const known = pages();
  server.webSocket = 'free';
  // Its frame is still on the way over the stream, and lost with it.
  server.open('late');
  server.post('late', 'bob', 'hello');
  server.onWire = (frame) => (frame.t === 'conversation' ? [] : [frame]);
  changed();
  await until(() => transportOf(client) === 'websocket');
  await vi.advanceTimersByTimeAsync(5_000);
  const { items } = client.conversations.getSnapshot();
  expect([pages() - known, items.length, items[0]!.cid]).toEqual([1, 101, 'late']);
});
