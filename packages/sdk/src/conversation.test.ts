import type { DownFrame } from '@gapless/protocol';
import { expect, test, vi } from 'vitest';
import type { FakeSocket } from './testing/fake-connection.ts';
import { online, opened, outcome, range, seqs, setup, statuses, texts, until } from './testing/setup.ts';

// Goal: what an open conversation shows is the server's list, whatever happens on the way. Method: faults in a fake server.

test('the first loaded snapshot has everything', async () => {
  const { server, client } = setup();
  const c1 = server.open('c1');
  for (let n = 1; n <= 60; n++) server.post('c1', 'bob', `${n}`);
  c1.users.get('ann')!.lastRead = 55;
  client.connect();
  const conversation = client.conversation('c1');
  conversation.open();
  expect(conversation.getSnapshot()).toMatchObject({ loaded: false, messages: [] });
  await until(() => conversation.getSnapshot().loaded);
  expect(conversation.getSnapshot()).toMatchObject({ hasOlder: true, head: 60, lastRead: 55, unread: 5, kind: 'group', title: 'A title' });
  expect(conversation.getSnapshot().participants.map(({ userId }) => userId)).toEqual(['ann', 'bob']);
  expect(seqs(conversation)).toEqual(range(11, 60));
  await Promise.all([conversation.loadOlder(), conversation.loadOlder()]);
  expect(seqs(conversation)).toEqual(range(1, 60));
  expect(conversation.getSnapshot().hasOlder).toBe(false);
});

test('messages and edits that come while the first page is on its way are neither lost nor overwritten', async () => {
  const { server, client } = setup();
  server.open('c1');
  for (let n = 1; n <= 3; n++) server.post('c1', 'bob', `${n}`);
  let answer: () => void = () => {};
  server.onRequest = (_, path) => {
    if (!path.endsWith('/messages')) return undefined;
    const items = structuredClone(server.at('c1').messages);
    return new Promise((resolve) => {
      answer = () => resolve(new Response(JSON.stringify({ items, head: items.length })));
    });
  };
  client.connect();
  const conversation = client.conversation('c1');
  conversation.open();
  await until(() => server.requests.some((request) => request.endsWith('/messages')));
  server.post('c1', 'bob', '4');
  server.edit('c1', 2, 'two');
  await vi.advanceTimersByTimeAsync(10);
  expect(conversation.getSnapshot().loaded).toBe(false);
  answer();
  await until(() => conversation.getSnapshot().loaded);
  expect(texts(conversation)).toEqual(['1', 'two', '3', '4']);
});

test('a reconnect resumes with rev; what was missed comes once and in order', async () => {
  const { server, client, conversation } = await opened({}, 3);
  const heard: (number | undefined)[] = [];
  client.on('message', ({ seq }) => heard.push(seq));
  server.down = true;
  server.drop();
  await until(() => client.state === 'waiting');
  server.post('c1', 'bob', '4');
  server.edit('c1', 1, 'one');
  server.post('c1', 'bob', '5');
  server.down = false;
  await until(() => seqs(conversation).length === 5);
  expect(server.frames('sync').map(({ convs }) => convs)).toEqual([[{ cid: 'c1' }], [{ cid: 'c1', rev: 3 }]]);
  expect(texts(conversation)).toEqual(['one', '2', '3', '4', '5']);
  expect(heard).toEqual([4, 5]);
  expect(server.requests.filter((request) => request.endsWith('/messages')).length).toBe(1);
});

test('frames that come twice show once', async () => {
  const { server, client, conversation } = await opened({}, 1);
  const heard: (number | undefined)[] = [];
  client.on('message', ({ seq }) => heard.push(seq));
  server.onWire = (frame) => [frame, frame];
  server.post('c1', 'bob', '2');
  server.post('c1', 'bob', '3');
  await until(() => seqs(conversation).length >= 3);
  expect([seqs(conversation), heard]).toEqual([
    [1, 2, 3],
    [2, 3],
  ]);
});

test('a gap on the wire: the newest page is loaded again, and listeners still hear each message in order', async () => {
  const { server, client, conversation } = await opened({}, 2);
  const heard: (number | undefined)[] = [];
  client.on('message', ({ seq }) => heard.push(seq));
  server.onWire = (frame) => (frame.t === 'message' && frame.seq === 3 ? [] : [frame]);
  server.post('c1', 'bob', '3');
  server.post('c1', 'bob', '4');
  await until(() => seqs(conversation).at(-1) === 4);
  expect([seqs(conversation), heard]).toEqual([
    [1, 2, 3, 4],
    [3, 4],
  ]);
});

test('reset: begins again at the head', async () => {
  const { server, conversation } = await opened({}, 2);
  const loaded: boolean[] = [];
  conversation.subscribe(() => loaded.push(conversation.getSnapshot().loaded));
  server.at('c1').oldestRev = 100;
  server.drop();
  await until(() => loaded.includes(false) && loaded.at(-1) === true);
  expect(seqs(conversation)).toEqual([1, 2]);
});

test('a joined that promises nothing and yet has more begins again', async () => {
  const { server, conversation } = await opened({}, 2);
  server.drop();
  // As after a message that was lost before the connection was.
  server.onWire = (frame: DownFrame) => (frame.t === 'joined' && frame.rev === 2 ? [{ ...frame, head: 3 }] : [frame]);
  await until(() => server.frames('join').length === 1);
  server.onWire = (frame) => [frame];
  server.post('c1', 'bob', '3');
  await until(() => seqs(conversation).length === 3);
});

test('statuses follow the receipts; the same object stays while nothing changed', async () => {
  const { server, conversation } = await opened();
  await conversation.send({ body: { text: 'a' } });
  await conversation.send({ body: { text: 'b' } });
  await until(() => seqs(conversation).join() === '1,2');
  expect(statuses(conversation)).toEqual(['sent', 'sent']);
  server.receipt('delivered', 'c1', 'bob', 2);
  await until(() => statuses(conversation).join() === 'delivered,delivered');
  const second = conversation.getSnapshot().messages[1];
  server.receipt('read', 'c1', 'bob', 1);
  await until(() => statuses(conversation).join() === 'read,delivered');
  expect(conversation.getSnapshot().messages[1]).toBe(second);
  expect(conversation.getSnapshot()).toBe(conversation.getSnapshot());
  expect(conversation.getSnapshot().receipts.get('bob')).toEqual({ delivered: 2, read: 1 });
});

test('read only when all others have read', async () => {
  const { server, client } = setup();
  server.open('c1', ['ann', 'bob', 'cy']);
  client.connect();
  const conversation = client.conversation('c1');
  conversation.open();
  await outcome(conversation.send({ body: { text: 'a' } }));
  await until(() => conversation.getSnapshot().loaded && seqs(conversation).length === 1);
  server.receipt('read', 'c1', 'bob', 1);
  await until(() => statuses(conversation)[0] === 'delivered');
  server.receipt('read', 'c1', 'cy', 1);
  await until(() => statuses(conversation)[0] === 'read');
});

test('acks and reads are merged; a read is optimistic and told again after a reconnect', async () => {
  const { server, client, conversation } = await opened({}, 1);
  await until(() => server.frames('ack').length === 1);
  await vi.advanceTimersByTimeAsync(300);
  for (let n = 2; n <= 20; n++) server.post('c1', 'bob', `${n}`);
  await until(() => server.frames('ack').at(-1)?.pos === 20);
  expect(server.frames('ack').length).toBe(2);
  server.drop();
  await until(() => client.state === 'waiting');
  for (let pos = 18; pos <= 20; pos++) conversation.markRead(pos);
  conversation.markRead();
  expect(conversation.getSnapshot()).toMatchObject({ unread: 0, lastRead: 20 });
  await until(() => server.frames('read').length > 0);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(server.frames('read')).toEqual([{ t: 'read', cid: 'c1', pos: 20 }]);
});

test('participants and title follow the changes', async () => {
  const { server, client, conversation } = await opened();
  const ops: string[] = [];
  client.on('change', ({ op }) => ops.push(op));
  server.change('c1', { op: 'settings', title: 'New' });
  await until(() => conversation.getSnapshot().title === 'New');
  server.change('c1', { op: 'participants_added', users: ['cy'], role: 'member' });
  await until(() => conversation.getSnapshot().participants.length === 3);
  server.change('c1', { op: 'participants_removed', users: ['bob'] });
  await until(() => conversation.getSnapshot().participants.length === 2);
  expect(conversation.getSnapshot().participants.map(({ userId }) => userId)).toEqual(['ann', 'cy']);
  expect(ops).toEqual(['settings', 'participants_added', 'participants_removed']);
});

test('a read that went down with its line is told again, also of a conversation that was closed since', async () => {
  const { server, client, conversation } = await opened({}, 2);
  server.mute = true;
  conversation.markRead();
  await until(() => server.frames('read').length === 1);
  conversation.close();
  await vi.advanceTimersByTimeAsync(2_000);
  server.drop();
  server.mute = false;
  await online(client);
  await until(() => server.at('c1').users.get('ann')!.lastRead === 2);
  // What the server says that it knows is not told once more.
  server.tell({ t: 'conversation', cid: 'c1', op: 'changed', head: 2, unread: 0 });
  await vi.advanceTimersByTimeAsync(100);
  const told = server.frames('read').length;
  server.drop();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(server.frames('read').length).toBe(told);
});

test('how far one has read by an own message is told when that is lost', async () => {
  const { server, conversation } = await opened({}, 1);
  const message = { cid: 'c1', seq: 2, rev: 2, mid: 'mine', from: 'ann', at: 1, kind: 'text', body: { text: '2' } };
  server.tell({ t: 'message', ...message, stage: 'accepted' });
  await until(() => conversation.getSnapshot().lastRead === 2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.frames('read')).toEqual([]);
  server.tell({ t: 'change', cid: 'c1', rev: 3, op: 'lost', by: 'system', at: 1, seqs: [2] });
  await until(() => server.frames('read').at(-1)?.pos === 2);
});

test('changes that come behind a detail that has them take nothing away', async () => {
  const { server, client } = setup();
  server.open('c1', ['ann', 'bob']);
  client.connect();
  await online(client);
  const held: DownFrame[] = [];
  server.onWire = (frame) => {
    if (frame.t !== 'change') return [frame];
    held.push(frame);
    return [];
  };
  const conversation = client.conversation('c1');
  conversation.open();
  await until(() => server.frames('join').length === 1);
  server.change('c1', { op: 'participants_removed', users: ['bob'] });
  server.change('c1', { op: 'participants_added', users: ['bob'], role: 'member' });
  await until(() => conversation.getSnapshot().loaded);
  server.onWire = (frame) => [frame];
  for (const frame of held) server.tell(frame);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(conversation.getSnapshot().participants.map(({ userId }) => userId)).toEqual(['ann', 'bob']);
});

test('typing: on now and then, off at rest; others die by themselves', async () => {
  const { server, conversation } = await opened();
  for (let key = 0; key < 10; key++) {
    conversation.typing(true);
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(server.frames('typing').map(({ on }) => on)).toEqual([true, true]);
  await vi.advanceTimersByTimeAsync(4_000);
  expect(server.frames('typing').map(({ on }) => on)).toEqual([true, true, false]);
  server.tell({ t: 'typing', cid: 'c1', from: 'ann', on: true });
  server.tell({ t: 'typing', cid: 'c1', from: 'bob', on: true });
  await until(() => conversation.getSnapshot().typing.join() === 'bob');
  await vi.advanceTimersByTimeAsync(5_100);
  expect(conversation.getSnapshot().typing).toEqual([]);
});

test('many changes in one turn tell a listener once', async () => {
  const { server, conversation } = await opened();
  let told = 0;
  conversation.subscribe(() => told++);
  (server.live as FakeSocket).onmessage!({
    data: JSON.stringify(range(1, 50).map((seq) => ({ t: 'message', ...server.post('c1', 'bob', `${seq}`) }))),
  });
  await Promise.resolve();
  expect([told, seqs(conversation).length]).toEqual([1, 50]);
});

test('older messages can be asked for again after the conversation was left while a page was on its way', async () => {
  const { server, conversation } = await opened({}, 120);
  const known = conversation.getSnapshot().messages.length;
  let lost = false;
  server.onRequest = (_, path) => {
    if (!path.endsWith('/messages') || lost) return undefined;
    lost = true;
    return new Promise(() => {});
  };
  void conversation.loadOlder();
  await until(() => lost);
  conversation.close();
  await vi.advanceTimersByTimeAsync(2_000);
  conversation.open();
  await vi.advanceTimersByTimeAsync(100);
  await outcome(conversation.loadOlder());
  expect(conversation.getSnapshot().messages.length).toBeGreaterThan(known);
});
