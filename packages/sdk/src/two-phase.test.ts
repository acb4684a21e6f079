import { expect, test, vi } from 'vitest';
import { memoryOutbox } from './outbox.ts';
import { opened, outcome, range, seqs, setup, statuses, texts, until } from './testing/setup.ts';
import type { ClientOptions } from './types.ts';

// Goal: an accepted message shows with its number, is sent until it is saved, and what is lost goes again, once. Method: a fake server
// that accepts, and saves or loses when it is told to.

/** Sooner than any timeout of the client, later than its first wait after an error. */
const SOON_MS = 2_000;

async function accepting(options: Partial<ClientOptions> = {}, messages = 0) {
  const outbox = memoryOutbox();
  const all = await opened({ outbox, ...options }, messages);
  all.server.twoPhase = true;
  const heard: string[] = [];
  all.client.on('message', ({ mid }) => heard.push(mid));
  const send = (text: string) => all.conversation.send({ body: { text } });
  const mids = () => all.conversation.getSnapshot().messages.map(({ mid }) => mid);
  return { ...all, outbox, heard, send, mids };
}

test('accepted: shown with its number, kept in the outbox; saved: the promise resolves', async () => {
  const { server, conversation, outbox, send } = await accepting();
  let settled = false;
  const sent = send('a').finally(() => (settled = true));
  await until(() => statuses(conversation).join() === 'accepted');
  expect(conversation.getSnapshot().messages).toMatchObject([{ seq: 1, status: 'accepted', stage: 'accepted' }]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect([settled, (await outbox.load()).length]).toEqual([false, 1]);
  server.save('c1');
  expect(await outcome(sent)).toMatchObject({ seq: 1, status: 'sent' });
  expect(conversation.getSnapshot().messages).toMatchObject([{ seq: 1, status: 'sent' }]);
  expect(conversation.getSnapshot().messages[0]).not.toHaveProperty('stage');
  expect(await outbox.load()).toEqual([]);
});

test('the next one does not wait for the one before to be saved', async () => {
  const { server, conversation, send } = await accepting();
  for (const text of 'abc') void send(text);
  await until(() => statuses(conversation).join() === 'accepted,accepted,accepted');
  expect(server.frames('send').length).toBe(3);
  server.save('c1', 2);
  await until(() => statuses(conversation).join() === 'sent,sent,accepted');
});

test('accepted, and not shown to anyone yet: it stands where it belongs, ahead of what is on its way', async () => {
  const { server, conversation, send } = await accepting();
  server.at('c1').hidesUnsaved = true;
  void send('a');
  await until(() => statuses(conversation).join() === 'accepted');
  server.intercept = (_, frame) => frame.t === 'send';
  void send('b');
  await until(() => texts(conversation).join() === 'a,b');
  expect(seqs(conversation)).toEqual([1, undefined]);
  server.save('c1');
  await until(() => statuses(conversation).join() === 'sent,sending');
});

test('messages of others say what is only accepted, until something later is saved', async () => {
  const { server, conversation } = await accepting();
  server.post('c1', 'bob', '1');
  await until(() => seqs(conversation).length === 1);
  expect(conversation.getSnapshot().messages[0]).toMatchObject({ stage: 'accepted' });
  expect(conversation.getSnapshot().messages[0]).not.toHaveProperty('status');
  server.save('c1');
  server.twoPhase = false;
  server.post('c1', 'bob', '2');
  await until(() => seqs(conversation).length === 2);
  for (const message of conversation.getSnapshot().messages) expect(message).not.toHaveProperty('stage');
});

test('a reconnect tells how far it is saved', async () => {
  const { server, conversation } = await accepting({}, 1);
  const stages = () => conversation.getSnapshot().messages.map(({ stage }) => stage ?? 'saved');
  server.post('c1', 'bob', '2');
  server.post('c1', 'bob', '3');
  await until(() => stages().join() === 'saved,accepted,accepted');
  server.save('c1', 1);
  server.drop();
  await until(() => stages().join() === 'saved,saved,accepted');
});

test('so does a page of history', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.twoPhase = true;
  for (let n = 1; n <= 3; n++) server.post('c1', 'bob', `${n}`);
  server.onRequest = (_, path) => {
    // What comes behind `joined` is saved before the page is read.
    if (path.endsWith('/messages')) {
      server.post('c1', 'bob', '4');
      server.save('c1');
    }
    return undefined;
  };
  client.connect();
  const conversation = client.conversation('c1');
  conversation.open();
  await until(() => conversation.getSnapshot().loaded);
  expect(conversation.getSnapshot().messages.map(({ stage }) => stage)).toEqual([undefined, undefined, undefined, undefined]);
});

test('after a reconnect, what is not known to be saved goes again, in order, with the same mids', async () => {
  const { server, conversation, send, mids } = await accepting();
  const sent = Promise.all([...'abc'].map(send));
  await until(() => statuses(conversation).join() === 'accepted,accepted,accepted');
  server.drop();
  void send('d');
  await until(() => server.frames('send').length === 7);
  expect(server.frames('send').map(({ body }) => body.text)).toEqual([...'abcabcd']);
  expect(new Set(server.frames('send').map(({ mid }) => mid)).size).toBe(4);
  expect(texts(conversation)).toEqual([...'abcd']);
  server.save('c1');
  await outcome(sent);
  expect([seqs(conversation), new Set(mids()).size]).toEqual([range(1, 4), 4]);
});

test('saved while away: told by the answer to the same mid', async () => {
  const { server, conversation, send } = await accepting();
  const sent = send('a');
  await until(() => statuses(conversation).join() === 'accepted');
  server.drop();
  server.save('c1');
  await outcome(sent);
  expect(server.at('c1').messages.length).toBe(1);
});

test('`saved` that never comes on a connection that lives: asked again', async () => {
  const { server, conversation, send } = await accepting();
  const sent = send('a');
  await until(() => statuses(conversation).join() === 'accepted');
  server.onWire = () => [];
  server.save('c1');
  server.onWire = (frame) => [frame];
  await outcome(sent);
  expect(server.frames('send').length).toBe(2);
});

test('lost: the number stays as `lost`, the message goes again, listeners hear it once', async () => {
  const { server, conversation, heard, send, mids } = await accepting({}, 1);
  const sent = Promise.all([send('a'), send('b')]);
  await until(() => statuses(conversation).join() === ',accepted,accepted');
  const before = mids();
  server.settle('c1', () => false, 1);
  server.twoPhase = false;
  await outcome(sent);
  await until(() => seqs(conversation).join() === '1,2,3,4,5,6');
  expect(conversation.getSnapshot().messages.map(({ kind }) => kind)).toEqual(['text', 'lost', 'lost', 'lost', 'text', 'text']);
  expect(texts(conversation).slice(4)).toEqual(['a', 'b']);
  expect(mids().slice(4)).toEqual(before.slice(1));
  expect(heard).toEqual(before.slice(1));
  expect(conversation.getSnapshot()).toMatchObject({ head: 6, unread: 0 });
});

test('one is saved, the one before it is lost: that one goes again, behind', async () => {
  const { server, conversation, send } = await accepting();
  void send('a');
  void send('b');
  await until(() => statuses(conversation).join() === 'accepted,accepted');
  server.settle('c1', (n) => n === 1);
  await until(() => statuses(conversation).join() === ',sent,accepted');
  expect(texts(conversation)).toEqual([undefined, 'b', 'a']);
});

test('a conversation that is not open learns it from `store_unavailable`', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.twoPhase = true;
  client.connect();
  const sent = client.conversation('c1').send({ body: { text: 'a' } });
  await until(() => statuses(client.conversation('c1')).join() === 'accepted');
  server.settle('c1', () => false);
  server.twoPhase = false;
  await vi.advanceTimersByTimeAsync(SOON_MS);
  expect(server.frames('send').length).toBe(2);
  expect(await outcome(sent)).toMatchObject({ seq: 2 });
});

test('one that is open learns it from `lost`, whatever became of the answer', async () => {
  const { server, conversation, send } = await accepting();
  void send('a');
  await until(() => statuses(conversation).join() === 'accepted');
  server.onWire = (frame) => (frame.t === 'error' ? [] : [frame]);
  server.settle('c1', () => false);
  await vi.advanceTimersByTimeAsync(SOON_MS);
  expect(server.frames('send').length).toBe(2);
});

test('seen as accepted before it was sent again: sent all the same, as only answers make this connection hear of `saved`', async () => {
  const { server, client, conversation, outbox, send } = await accepting();
  for (const text of 'abc') send(text).catch(() => {});
  await until(() => statuses(conversation).join() === 'accepted,accepted,accepted');
  client.close();
  const again = setup({ outbox }, server).client;
  const reopened = again.conversation('c1');
  reopened.open();
  let refused = false;
  server.intercept = (socket, frame) => {
    if (frame.t !== 'send' || refused) return false;
    refused = true;
    socket.down({ t: 'error', code: 'server_busy', msg: '', ref: { t: 'send', cid: 'c1', mid: frame.mid }, retryAfterMs: 500 });
    return true;
  };
  again.connect();
  await until(() => refused && statuses(reopened).join() === 'accepted,accepted,accepted');
  await vi.advanceTimersByTimeAsync(SOON_MS);
  expect(server.frames('send').map(({ body }) => body.text)).toEqual([...'abcaabc']);
});

test('messages of others that are lost make room, and come back under other numbers', async () => {
  const { server, conversation, heard, mids } = await accepting({}, 1);
  server.post('c1', 'bob', 'x', 'bob-x');
  server.post('c1', 'bob', 'y', 'bob-y');
  await until(() => seqs(conversation).length === 3);
  server.settle('c1', () => false);
  server.post('c1', 'bob', 'x', 'bob-x');
  await until(() => seqs(conversation).length === 4);
  expect(mids()).toEqual(['bob-1', 'lost-2', 'lost-3', 'bob-x']);
  expect(heard).toEqual(['bob-x', 'bob-y']);
});

test('lost while away, and while the page that has it is on its way', async () => {
  const { server, client } = setup();
  server.open('c1');
  server.twoPhase = true;
  server.post('c1', 'bob', '1');
  let answer: () => void = () => {};
  server.onRequest = (_, path) => {
    if (!path.endsWith('/messages')) return undefined;
    const items = structuredClone(server.at('c1').messages);
    return new Promise((resolve) => {
      answer = () => resolve(new Response(JSON.stringify({ items, head: 1, saved: 0 })));
    });
  };
  client.connect();
  const conversation = client.conversation('c1');
  conversation.open();
  await until(() => server.requests.some((request) => request.endsWith('/messages')));
  server.settle('c1', () => false);
  await vi.advanceTimersByTimeAsync(10);
  answer();
  await until(() => conversation.getSnapshot().loaded);
  expect(conversation.getSnapshot().messages).toMatchObject([{ seq: 1, kind: 'lost' }]);
  server.post('c1', 'bob', '2');
  await until(() => seqs(conversation).length === 2);
  server.drop();
  server.settle('c1', () => false);
  await until(() => conversation.getSnapshot().messages.every(({ kind }) => kind === 'lost'));
});

test('the same mid again before `lost` came: shown once all the same', async () => {
  const { server, mids } = await accepting();
  server.post('c1', 'bob', 'x', 'bob-x');
  await until(() => mids().join() === 'bob-x');
  server.onWire = (frame) => (frame.t === 'change' ? [] : [frame]);
  server.settle('c1', () => false);
  server.twoPhase = false;
  server.post('c1', 'bob', 'x', 'bob-x');
  await until(() => mids().length === 2);
  expect(mids()).toEqual(['lost-1', 'bob-x']);
});

test('refused for good after it was accepted and lost: failed, and the user decides', async () => {
  const { server, conversation, send } = await accepting();
  const sent = send('a');
  await until(() => statuses(conversation).join() === 'accepted');
  server.intercept = (socket, frame) => {
    if (frame.t !== 'send') return false;
    socket.down({ t: 'error', code: 'muted', msg: '', ref: { t: 'send', cid: 'c1', mid: frame.mid } });
    return true;
  };
  server.settle('c1', () => false);
  await expect(outcome(sent)).rejects.toMatchObject({ code: 'muted' });
  expect(statuses(conversation)).toEqual([undefined, 'failed']);
});

test('accepted before a reload: goes again, and shows once', async () => {
  const { server, client, conversation, outbox, send } = await accepting();
  const sent = send('a');
  sent.catch(() => {});
  await until(() => statuses(conversation).join() === 'accepted');
  client.close();
  await expect(sent).rejects.toMatchObject({ code: 'closed' });
  const again = setup({ outbox }, server).client;
  const reopened = again.conversation('c1');
  reopened.open();
  again.connect();
  await until(() => reopened.getSnapshot().loaded && statuses(reopened).join() === 'accepted');
  server.save('c1');
  await until(() => statuses(reopened).join() === 'sent');
  expect([server.at('c1').messages.length, await outbox.load()]).toEqual([1, []]);
});
