import { expect, test, vi } from 'vitest';
import { problem } from '../testing/fake-server.ts';
import { network, online, setup, until } from '../testing/setup.ts';
import type { Client, ConnectionState } from '../types.ts';

// Goal: a client finds the way that works, signs nobody out for a network's fault, and asks a server in trouble no more than before.
// Method: a fake server with both transports, and networks and servers that fail in their own ways.

const transportOf = (client: Client) => client.connection.getSnapshot().transport;
const reports = (client: Client) => {
  const states: ConnectionState[] = [];
  client.on('state', (state) => states.push(state));
  return states;
};

function world(webSocket: 'free' | 'refused' | 'swallowed' | 'swallowed-up') {
  const each = setup();
  each.server.sse = true;
  each.server.webSocket = webSocket;
  const transports = () => each.server.sockets.map(({ transport }) => transport);
  const streams = () => each.server.requests.filter((request) => request === 'GET /sse').length;
  return { ...each, states: reports(each.client), transports, streams };
}

test('a proxy that swallows only what goes up: SSE, and nobody is signed out', async () => {
  const { client, states, transports } = world('swallowed-up');
  client.connect();
  await online(client);
  expect([transportOf(client), transports(), states]).toEqual([
    'sse',
    ['websocket', 'sse'],
    ['connecting', 'waiting', 'connecting', 'online'],
  ]);
});

test('where nothing goes up on either: waiting for better, never signed out', async () => {
  const { server, client, states, transports } = world('swallowed-up');
  server.sse = 'swallowed-up';
  client.connect();
  await vi.advanceTimersByTimeAsync(5 * 60_000);
  expect(states).not.toContain('closed');
  expect(new Set(transports())).toEqual(new Set(['websocket', 'sse']));
  server.sse = true;
  server.webSocket = 'free';
  await until(() => client.state === 'online');
});

test.each(['websocket', 'sse'] as const)('a bad token over %s is an answer', async (transport) => {
  const { server, client, transports } = world(transport === 'sse' ? 'refused' : 'free');
  server.tokens.clear();
  client.connect();
  await until(() => client.state === 'closed');
  expect(transports().filter((each) => each === transport).length).toBe(2);
});

test('a server that restarts is not asked twice as often, and a WebSocket that worked is tried again first', async () => {
  const { server, client, transports, streams } = world('free');
  client.connect();
  await online(client);
  server.down = true;
  server.drop();
  // Half a second for the first try, a second for the next: the middle of each jitter.
  await until(() => server.sockets.length === 2);
  await vi.advanceTimersByTimeAsync(100);
  expect([client.state, streams()]).toEqual(['waiting', 0]);
  server.down = false;
  await online(client);
  expect(transports()).toEqual(['websocket', 'websocket', 'websocket']);
});

test('a WebSocket that worked is left after two failures, and taken up again seconds after it works', async () => {
  const { server, client, transports } = world('free');
  client.connect();
  await online(client);
  server.webSocket = 'refused';
  server.drop();
  await until(() => transportOf(client) === 'sse');
  expect(transports()).toEqual(['websocket', 'websocket', 'websocket', 'sse']);
  server.webSocket = 'free';
  await vi.advanceTimersByTimeAsync(7_500);
  expect(transportOf(client)).toBe('websocket');
});

test('a network that swallows, or hangs, is not followed by another try at once', async () => {
  const { server, client, states } = world('swallowed');
  client.connect();
  await until(() => states.includes('waiting'));
  expect(server.streams.length).toBe(0);
  await online(client);
  expect(transportOf(client)).toBe('sse');
});

test('a stream refused with 503: no try before the time it names', async () => {
  const { server, client, streams } = world('refused');
  server.onStream = () => problem(503, 'server_busy', 20_000);
  client.connect();
  await until(() => streams() === 1);
  const tries = server.sockets.length;
  await vi.advanceTimersByTimeAsync(19_000);
  expect([server.sockets.length, streams()]).toEqual([tries, 1]);
  server.onStream = () => undefined;
  await online(client);
});

test('a stream refused with 503 and no time: patience all the same', async () => {
  const { server, client, streams } = world('refused');
  server.onStream = () => problem(503, 'server_busy');
  client.connect();
  await vi.advanceTimersByTimeAsync(3_900);
  expect([server.sockets.length, streams()]).toEqual([1, 1]);
});

test('when nothing gets through, one try follows each wait', async () => {
  const { server, client, streams } = world('refused');
  server.sse = false;
  client.connect();
  await until(() => client.state === 'waiting');
  const before = server.sockets.length + streams();
  let waits = 0;
  client.on('state', (state) => {
    if (state === 'waiting') waits++;
  });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(server.sockets.length + streams() - before).toBe(waits);
});

test('on another network both are tried at once again', async () => {
  const { changed } = network();
  const { server, client } = world('refused');
  server.sse = false;
  client.connect();
  await vi.advanceTimersByTimeAsync(60_000);
  await until(() => client.state === 'waiting');
  server.sse = true;
  changed();
  await vi.advanceTimersByTimeAsync(50);
  expect(transportOf(client)).toBe('sse');
});
