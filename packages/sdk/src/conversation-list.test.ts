import { expect, test, vi } from 'vitest';
import { json } from './testing/fake-server.ts';
import { opened, outcome, range, setup, until } from './testing/setup.ts';
import type { Client } from './types.ts';

// Goal: the list is right for joined conversations and for the others. Method: a fake server's frames and pages.

const items = (client: Client) => client.conversations.getSnapshot().items;
const item = (client: Client, cid: string) => items(client).find((each) => each.cid === cid);
const loaded = (client: Client) => until(() => client.conversations.getSnapshot().loaded, 'the list is loaded');

test('counts at once, the last message soon, for a conversation that is not joined', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.post('c1', 'bob', '1');
  client.connect();
  await loaded(client);
  const before = item(client, 'c1');
  expect(before).toMatchObject({ head: 1, unread: 1, lastMessage: { body: { text: '1' } } });
  for (let n = 2; n <= 9; n++) server.post('c1', 'bob', `${n}`);
  await until(() => item(client, 'c1')?.unread === 9);
  expect(item(client, 'c1')).not.toBe(before);
  await until(() => item(client, 'c1')?.lastMessage?.seq === 9);
  // Merged: far fewer questions than messages.
  expect(server.requests.filter((request) => request === 'GET /v1/conversations/c1').length).toBeLessThanOrEqual(2);
});

test('joined conversations bring their own messages, edits and reads', async () => {
  const { server, client, conversation } = await opened({}, 1);
  await loaded(client);
  server.post('c1', 'bob', '2');
  await until(() => item(client, 'c1')?.lastMessage?.seq === 2);
  expect(item(client, 'c1')).toMatchObject({ head: 2, unread: 2 });
  server.edit('c1', 2, 'two');
  await until(() => item(client, 'c1')?.lastMessage?.body.text === 'two');
  server.edit('c1', 1, 'one');
  conversation.markRead();
  expect(item(client, 'c1')?.unread).toBe(0);
  await vi.advanceTimersByTimeAsync(100);
  expect(item(client, 'c1')?.lastMessage?.body.text).toBe('two');
});

test('a large conversation that is left before it was pulled shows its newest message all the same', async () => {
  const { server, client, conversation } = await opened({}, 1);
  await loaded(client);
  server.setMode('c1', 'none', 60_000);
  server.post('c1', 'bob', '2');
  server.tell({ t: 'conversation', cid: 'c1', op: 'changed', head: 2, unread: 2 });
  await until(() => item(client, 'c1')?.unread === 2);
  expect(item(client, 'c1')?.lastMessage?.seq).toBe(1);
  conversation.close();
  await until(() => item(client, 'c1')?.lastMessage?.seq === 2);
});

test('what is older than what was told is asked for again', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.post('c1', 'bob', '1');
  client.connect();
  await loaded(client);
  // Told before it is saved.
  server.tell({ t: 'conversation', cid: 'c1', op: 'changed', head: 2, unread: 2 });
  await until(() => server.requests.filter((request) => request === 'GET /v1/conversations/c1').length === 2);
  server.post('c1', 'bob', '2');
  await until(() => item(client, 'c1')?.lastMessage?.seq === 2);
  const asked = server.requests.length;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(server.requests.length).toBeLessThanOrEqual(asked + 1);
});

test('what never comes is not asked for for ever', async () => {
  const { server, client } = setup();
  server.open('c1');
  client.connect();
  await loaded(client);
  server.tell({ t: 'conversation', cid: 'c1', op: 'changed', head: 2, unread: 2 });
  await vi.advanceTimersByTimeAsync(60_000);
  const asked = server.requests.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(server.requests.length).toBe(asked);
});

test('an older page that comes behind a newer answer changes nothing', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.change('c1', { op: 'settings', title: 'Old' });
  client.connect();
  await loaded(client);
  const old = await client.http.conversations();
  const page = Promise.withResolvers<Response>();
  server.onRequest = (_method, path) => (path === '/v1/conversations' ? page.promise : undefined);
  server.drop();
  await until(() => server.requests.filter((request) => request === 'GET /v1/conversations').length === 3);
  server.onRequest = () => undefined;
  server.change('c1', { op: 'settings', title: 'New' });
  // Somebody else asks: the list hears the answer.
  await client.http.conversation('c1');
  expect(item(client, 'c1')?.title).toBe('New');
  page.resolve(json(old));
  await vi.advanceTimersByTimeAsync(100);
  expect(item(client, 'c1')?.title).toBe('New');
});

test('a read on another device lowers the count without a question', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.post('c1', 'bob', '1');
  client.connect();
  await loaded(client);
  server.tell({ t: 'conversation', cid: 'c1', op: 'changed', head: 1, unread: 0 });
  await until(() => item(client, 'c1')?.unread === 0);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(server.requests).not.toContain('GET /v1/conversations/c1');
});

test('added and removed', async () => {
  const { server, client } = setup();
  client.connect();
  await loaded(client);
  expect(items(client)).toEqual([]);
  server.open('c2');
  server.tell({ t: 'conversation', cid: 'c2', op: 'added', head: 0, unread: 0 });
  await until(() => item(client, 'c2') !== undefined);
  expect(item(client, 'c2')).not.toHaveProperty('participants');
  server.tell({ t: 'conversation', cid: 'c2', op: 'removed', head: 0, unread: 0 });
  await until(() => items(client).length === 0);
});

test('after a reconnect the first page is loaded again: new ones appear, lost ones go', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.open('c2');
  client.connect();
  await loaded(client);
  server.down = true;
  server.drop();
  await until(() => client.state === 'waiting');
  server.conversations.delete('c1');
  server.open('c3');
  server.post('c2', 'bob', '1');
  server.down = false;
  await until(() => item(client, 'c3') !== undefined);
  expect(items(client).map(({ cid }) => cid)).toEqual(['c2', 'c3']);
});

test('after a reconnect all pages that were loaded are loaded again, and no more', async () => {
  const { server, client } = setup();
  const cidOf = (n: number) => `c${String(n).padStart(3, '0')}`;
  for (let n = 1; n <= 180; n++) server.open(cidOf(n));
  client.connect();
  await loaded(client);
  await outcome(client.conversations.loadMore());
  expect(items(client).map(({ cid }) => cid)).toEqual(range(1, 100).map(cidOf));
  server.down = true;
  server.drop();
  await until(() => client.state === 'waiting');
  server.at(cidOf(90)).title = 'renamed meanwhile';
  server.conversations.delete(cidOf(95));
  server.open('new');
  server.post('new', 'bob', '1');
  const before = server.requests.length;
  server.down = false;
  await until(() => item(client, cidOf(90))?.title === 'renamed meanwhile');
  await vi.advanceTimersByTimeAsync(5_000);
  expect(item(client, cidOf(95))).toBeUndefined();
  expect(items(client)[0]!.cid).toBe('new');
  expect(server.requests.slice(before).filter((request) => request === 'GET /v1/conversations').length).toBeLessThanOrEqual(3);
  while (client.conversations.getSnapshot().hasMore) await outcome(client.conversations.loadMore());
  expect(items(client).map(({ cid }) => cid)).toEqual([
    'new',
    ...range(1, 180)
      .filter((n) => n !== 95)
      .map(cidOf),
  ]);
});

test('what comes or moves while the pages are on their way stays', async () => {
  const { server, client } = setup();
  for (let n = 1; n <= 60; n++) server.open(`c${n + 100}`);
  client.connect();
  await loaded(client);
  await outcome(client.conversations.loadMore());
  server.drop();
  await until(() => client.state === 'waiting');
  let pages = 0;
  server.onRequest = (_, path) => {
    // Behind the first page there are two; the last of them moves to the top, and another one comes.
    if (path === '/v1/conversations' && ++pages === 2) {
      server.post('c160', 'bob', '1');
      server.open('c200');
      server.tell({ t: 'conversation', cid: 'c200', op: 'added', head: 0, unread: 0 });
    }
    return undefined;
  };
  await until(() => pages >= 2);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(items(client).length).toBe(61);
});

test('a reload ends with the page behind which nothing of what is here lies', async () => {
  const { server, client } = setup();
  for (const n of range(1, 180)) server.open(`c${n + 1_000}`);
  client.connect();
  await loaded(client);
  await outcome(client.conversations.loadMore());
  const before = server.requests.length;
  server.drop();
  await until(() => client.state === 'waiting');
  await until(() => client.state === 'online');
  await vi.advanceTimersByTimeAsync(2_000);
  expect(server.requests.slice(before).filter((request) => request === 'GET /v1/conversations').length).toBe(2);
});

test('a joined conversation that moves to the top between two pages stays, at every moment', async () => {
  const { server, client } = setup();
  for (const n of range(1, 60)) {
    server.open(`c${n}`);
    server.post(`c${n}`, 'bob', '1');
    // `c1` is the last of all, on the second page.
    server.at(`c${n}`).messages[0]!.at = 1_000 + n;
  }
  client.connect();
  const conversation = client.conversation('c1');
  conversation.open();
  await loaded(client);
  await outcome(client.conversations.loadMore());
  await until(() => conversation.getSnapshot().loaded);
  server.drop();
  await until(() => client.state === 'waiting');
  const counts = new Set<number>();
  client.conversations.subscribe(() => counts.add(items(client).length));
  let pages = 0;
  server.onRequest = (_, path) => {
    if (path === '/v1/conversations' && ++pages === 2) {
      server.post('c1', 'bob', '2');
      server.at('c1').messages[1]!.at = 3_000;
    }
    return undefined;
  };
  await until(() => pages === 2);
  await vi.advanceTimersByTimeAsync(5_000);
  expect([item(client, 'c1')?.head, counts]).toEqual([2, new Set([60])]);
});

test('newest activity first', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.open('c2');
  client.connect();
  await loaded(client);
  server.post('c2', 'bob', '1');
  await until(() => items(client)[0]?.cid === 'c2' && items(client)[0]?.lastMessage !== undefined);
});

test('presence: watches of several callers are one, and told again on a new connection', async () => {
  const { server, client } = setup();
  client.connect();
  const stop = client.watchPresence(['bob', 'cy']);
  const stopToo = client.watchPresence(['bob']);
  await until(() => server.frames('presence').length === 1);
  server.tell({ t: 'presence', user: 'bob', state: 'online' });
  await until(() => client.presence.getSnapshot().get('bob')?.state === 'online');
  stop();
  stop();
  client.watchPresence(['dan'])();
  await until(() => server.frames('presence').length === 2);
  server.drop();
  await until(() => server.frames('presence').length === 3);
  stopToo();
  await until(() => server.frames('presence').length === 4);
  expect(server.frames('presence')).toEqual([
    { t: 'presence', watch: ['bob', 'cy'] },
    { t: 'presence', unwatch: ['cy'] },
    { t: 'presence', watch: ['bob'] },
    { t: 'presence', unwatch: ['bob'] },
  ]);
  expect(client.presence.getSnapshot().size).toBe(0);
});
