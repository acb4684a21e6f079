import { expect, test, vi } from 'vitest';
import type { FakeSocket } from './testing/fake-connection.ts';
import { opened, seqs, setup, texts, until } from './testing/setup.ts';

// Goal: a conversation that is open is joined, and what counts as joined is joined at the server too. Method: refusals, removals and answers that take
// their time, in a fake server.

test('removed: an error; added again: joined again', async () => {
  const { server, conversation } = await opened({}, 1);
  server.change('c1', { op: 'participants_removed', users: ['ann'] });
  server.tell({ t: 'conversation', cid: 'c1', op: 'removed', head: 0, unread: 0 });
  await until(() => conversation.getSnapshot().error === 'not_participant');
  server.change('c1', { op: 'participants_added', users: ['ann'], role: 'member' });
  server.tell({ t: 'conversation', cid: 'c1', op: 'added', head: 1, unread: 1 });
  await until(() => conversation.getSnapshot().error === undefined);
  server.post('c1', 'bob', '2');
  await until(() => seqs(conversation).length === 2);
});

test('a removal that is replayed after one was added again is history', async () => {
  const { server, conversation } = await opened({}, 1);
  // Heard before the change itself, which then belongs to no join.
  server.tell({ t: 'conversation', cid: 'c1', op: 'removed', head: 0, unread: 0 });
  await until(() => conversation.getSnapshot().error === 'not_participant');
  server.change('c1', { op: 'participants_removed', users: ['ann'] });
  server.change('c1', { op: 'participants_added', users: ['ann'], role: 'member' });
  server.tell({ t: 'conversation', cid: 'c1', op: 'added', head: 1, unread: 1 });
  server.post('c1', 'bob', '2');
  await until(() => seqs(conversation).length === 2);
  expect(conversation.getSnapshot().error).toBeUndefined();
});

test('added again: own messages from before say to the server how far they were read', async () => {
  const { server, conversation } = await opened({}, 1);
  server.change('c1', { op: 'participants_removed', users: ['ann'] });
  await until(() => conversation.getSnapshot().error === 'not_participant');
  server.post('c1', 'ann', '2');
  server.change('c1', { op: 'participants_added', users: ['ann'], role: 'member' });
  server.tell({ t: 'conversation', cid: 'c1', op: 'added', head: 2, unread: 2 });
  await until(() => seqs(conversation).length === 2);
  await until(() => server.frames('read').at(-1)?.pos === 2);
});

test('added again without a word: news of it is word enough', async () => {
  const { server, conversation } = await opened({}, 1);
  server.change('c1', { op: 'participants_removed', users: ['ann'] });
  await until(() => conversation.getSnapshot().error === 'not_participant');
  server.change('c1', { op: 'participants_added', users: ['ann'], role: 'member' });
  server.post('c1', 'bob', '2');
  server.tell({ t: 'conversation', cid: 'c1', op: 'changed', head: 2, unread: 2 });
  await until(() => seqs(conversation).length === 2);
  expect(conversation.getSnapshot().error).toBeUndefined();
});

test('a conversation one is not in has an error', async () => {
  const { client } = setup();
  client.connect();
  const conversation = client.conversation('nowhere');
  conversation.open();
  await until(() => conversation.getSnapshot().error === 'not_participant');
});

test('a join that is refused for a moment is tried again', async () => {
  const { server, client } = setup();
  server.open('c1');
  let refusals = 0;
  server.intercept = (socket, frame) => {
    if (frame.t !== 'sync' || refusals++ > 0) return false;
    socket.down({ t: 'error', code: 'store_unavailable', msg: '', ref: { t: 'sync' }, retryAfterMs: 700 });
    return true;
  };
  const conversation = client.conversation('c1');
  conversation.open();
  client.connect();
  await until(() => conversation.getSnapshot().loaded);
});

test('a join that is refused behind another one that was answered is done again', async () => {
  const { server, conversation } = await opened({}, 1);
  const asked = () => server.frames('join').length + server.frames('sync').length;
  const before = asked();
  (server.live as FakeSocket).down({ t: 'error', code: 'store_unavailable', msg: '', ref: { t: 'join', cid: 'c1' }, retryAfterMs: 100 });
  await until(() => asked() === before + 1);
  server.post('c1', 'bob', 'hello');
  await until(() => texts(conversation).includes('hello'));
});

test('a sync that is refused behind a join that was answered is done again for that conversation too', async () => {
  const { server, client } = setup();
  for (const cid of ['c1', 'c2']) server.open(cid);
  const held: (() => void)[] = [];
  let refusals = 0;
  server.intercept = (socket, frame) => {
    if (frame.t === 'join') held.push(() => server.receive(socket, frame));
    else if (frame.t === 'sync' && refusals++ < 2) {
      const isSecond = refusals === 2;
      setTimeout(() => {
        // The join came before it, and took its time.
        if (isSecond) {
          server.intercept = () => false;
          for (const answer of held) answer();
          for (const { cid } of frame.convs) socket.joined.delete(cid);
        }
        socket.down({ t: 'error', code: 'store_unavailable', msg: '', ref: { t: 'sync' }, retryAfterMs: 100 });
      }, 50);
    } else return false;
    return true;
  };
  const [first, second] = [client.conversation('c1'), client.conversation('c2')];
  first.open();
  client.connect();
  await until(() => refusals === 1);
  second.open();
  const asked = () => server.frames('sync').filter(({ convs }) => convs.some(({ cid }) => cid === 'c2')).length;
  await until(() => asked() === 2);
  server.post('c2', 'bob', 'hello');
  await until(() => texts(second).includes('hello'));
});

test('what the app opens when it hears that it is online, and the sync behind it refused, is joined again', async () => {
  const { server, client } = setup();
  server.open('c1');
  const conversation = client.conversation('c1');
  client.on('state', (state) => state === 'online' && conversation.open());
  let refused = false;
  server.intercept = (socket, frame) => {
    if (frame.t !== 'sync' || refused) return false;
    refused = true;
    for (const { cid } of frame.convs) socket.joined.delete(cid);
    socket.down({ t: 'error', code: 'store_unavailable', msg: '', ref: { t: 'sync' }, retryAfterMs: 100 });
    return true;
  };
  client.connect();
  await until(() => refused && conversation.getSnapshot().loaded);
  await vi.advanceTimersByTimeAsync(5_000);
  server.post('c1', 'bob', 'hello');
  await until(() => texts(conversation).includes('hello'));
});

test('a join that is refused for good behind another one that was answered is no longer taken for joined', async () => {
  const { server, conversation } = await opened();
  server.intercept = (socket, frame) => {
    if (frame.t === 'join' || frame.t === 'sync')
      socket.down({ t: 'error', code: 'not_participant', msg: '', ref: { t: 'sync', cid: 'c1' } });
    return frame.t === 'join' || frame.t === 'sync';
  };
  (server.live as FakeSocket).down({ t: 'error', code: 'not_participant', msg: '', ref: { t: 'sync', cid: 'c1' } });
  await until(() => conversation.getSnapshot().error === 'not_participant');
});

test('a conversation whose id no server reads is refused, and no other one with it', async () => {
  const { server, client } = setup();
  server.open('c1');
  const [none, long, good] = [client.conversation(''), client.conversation('x'.repeat(65)), client.conversation('c1')];
  for (const conversation of [none, long, good]) conversation.open();
  client.connect();
  await until(() => good.getSnapshot().loaded);
  expect([none, long].map((conversation) => conversation.getSnapshot().error)).toEqual(['bad_frame', 'bad_frame']);
  expect(server.frames('sync')).toEqual([{ t: 'sync', convs: [{ cid: 'c1' }] }]);
  for (const conversation of [none, long]) conversation.close();
});

test('open counts; closed and opened again at once is never left, closed for good is', async () => {
  const { server, conversation } = await opened({}, 1);
  conversation.open();
  conversation.close();
  conversation.close();
  conversation.open();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(server.frames('leave')).toEqual([]);
  conversation.close();
  await until(() => server.frames('leave').length === 1);
  server.post('c1', 'bob', '2');
  conversation.open();
  await until(() => seqs(conversation).join() === '1,2');
  expect(server.frames('join').at(-1)).toEqual({ t: 'join', cid: 'c1', rev: 1 });
});
