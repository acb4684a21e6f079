import { expect, test, vi } from 'vitest';
import { memoryOutbox } from './outbox.ts';
import { FakeServer } from './testing/fake-server.ts';
import { online, opened, outcome, seqs, setup, statuses, texts, until } from './testing/setup.ts';

// Goal: a message is sent until it is saved, once, in order. Method: a fake server that refuses, loses acks or goes away.

test('shown as sending once it is in the outbox, sent when saved', async () => {
  const outbox = memoryOutbox();
  const { server, conversation } = await opened({ outbox });
  let answer: () => void = () => {};
  server.intercept = (socket, frame) => {
    if (frame.t !== 'send') return false;
    server.intercept = () => false;
    answer = () => server.receive(socket, frame);
    return true;
  };
  const sent = conversation.send({ body: { text: 'a' } });
  await until(() => statuses(conversation).join() === 'sending');
  expect((await outbox.load()).map(({ body }) => body)).toEqual([{ text: 'a' }]);
  await until(() => server.frames('send').length === 1);
  answer();
  expect(await outcome(sent)).toMatchObject({ seq: 1, from: 'ann', status: 'sent', body: { text: 'a' } });
  expect(await outbox.load()).toEqual([]);
  await until(() => seqs(conversation).join() === '1');
});

test('a lost ack: the same mid again, and still one message', async () => {
  const { server, conversation } = await opened();
  server.onWire = (frame) => (frame.t === 'ack' || frame.t === 'message' ? [] : [frame]);
  const sent = conversation.send({ body: { text: 'a' } });
  await until(() => server.at('c1').head === 1);
  server.onWire = (frame) => [frame];
  server.drop();
  await outcome(sent);
  const mids = server.frames('send').map(({ mid }) => mid);
  expect(new Set(mids).size).toBe(1);
  await until(() => seqs(conversation).join() === '1');
  expect(server.at('c1').head).toBe(1);
});

test('a retryable error: later ones wait, the failed one goes first', async () => {
  const { server, conversation } = await opened();
  let refused = 0;
  server.intercept = (socket, frame) => {
    if (frame.t !== 'send' || refused >= 10) return false;
    const code = ['rate_limited', 'server_busy', 'store_unavailable', 'internal'][refused++ % 4]!;
    const retry = refused % 2 === 0 ? { retryAfterMs: 300 } : {};
    socket.down({ t: 'error', code, msg: '', ref: { t: 'send', cid: 'c1', mid: frame.mid }, ...retry });
    return true;
  };
  await outcome(Promise.all(['a', 'b', 'c', 'd'].map((text) => conversation.send({ body: { text } }))));
  await until(() => seqs(conversation).join() === '1,2,3,4');
  expect(texts(conversation)).toEqual(['a', 'b', 'c', 'd']);
  expect(server.frames('send').map(({ body }) => body.text)).toEqual([...'aaaaaaaaaaabcd']);
});

test('a wider window: several on the wire, all again after a disconnect, in order', async () => {
  const { server, conversation } = await opened({ sendWindow: 3 });
  server.intercept = (_, frame) => frame.t === 'send';
  const sent = Promise.all(['a', 'b', 'c', 'd'].map((text) => conversation.send({ body: { text } })));
  await until(() => server.frames('send').length === 3);
  server.intercept = () => false;
  server.drop();
  await outcome(sent);
  await until(() => seqs(conversation).join() === '1,2,3,4');
  expect(server.frames('send').map(({ body }) => body.text)).toEqual([...'abcabcd']);
});

test('another conversation is not held up', async () => {
  const { server, client, conversation } = await opened();
  server.open('c2');
  server.intercept = (socket, frame) => {
    if (frame.t !== 'send' || frame.cid !== 'c1') return false;
    socket.down({ t: 'error', code: 'server_busy', msg: '', ref: { t: 'send', cid: 'c1', mid: frame.mid }, retryAfterMs: 1_000 });
    return true;
  };
  void conversation.send({ body: { text: 'a' } });
  expect(await outcome(client.conversation('c2').send({ body: { text: 'b' } }))).toMatchObject({ seq: 1 });
});

test('a final error: failed with its code; retry with the same mid, or discard', async () => {
  const outbox = memoryOutbox();
  const { server, conversation } = await opened({ outbox });
  server.intercept = (socket, frame) => {
    if (frame.t !== 'send') return false;
    socket.down({ t: 'error', code: 'muted', msg: 'no', ref: { t: 'send', cid: 'c1', mid: frame.mid } });
    return true;
  };
  const [a, b] = await outcome(
    Promise.allSettled([conversation.send({ body: { text: 'a' } }), conversation.send({ body: { text: 'b' } })]),
  );
  expect([a, b]).toMatchObject([{ reason: { name: 'GaplessError', code: 'muted' } }, { reason: { code: 'muted' } }]);
  const messages = conversation.getSnapshot().messages;
  expect(messages).toMatchObject([
    { status: 'failed', error: 'muted' },
    { status: 'failed', error: 'muted' },
  ]);
  server.intercept = () => false;
  conversation.discard(messages[0]!.mid);
  conversation.retry(messages[1]!.mid);
  await until(() => seqs(conversation).join() === '1');
  expect(texts(conversation)).toEqual(['b']);
  expect(server.at('c1').messages[0]!.mid).toBe(messages[1]!.mid);
  expect(await outbox.load()).toEqual([]);
});

test('a refused message survives a reload, is not sent by itself, and can be tried again', async () => {
  const outbox = memoryOutbox();
  const item = { cid: 'c1', mid: 'refused', kind: 'text', body: { text: 'kept' }, createdAt: 1, failed: 'muted' };
  await outbox.put(item);
  const { server, conversation } = await opened({ outbox });
  await until(() => conversation.getSnapshot().messages.length === 1);
  expect(conversation.getSnapshot().messages).toMatchObject([{ mid: 'refused', status: 'failed', error: 'muted' }]);
  expect(server.frames('send')).toEqual([]);
  conversation.retry('refused');
  await until(() => seqs(conversation).join() === '1');
  expect(server.frames('send')).toMatchObject([{ mid: 'refused', body: { text: 'kept' } }]);
  expect(server.frames('send')[0]).not.toHaveProperty('failed');
  expect(await outbox.load()).toEqual([]);
});

test('a message that no frame can hold fails here: on the wire it would end the connection', async () => {
  const { server, conversation } = await opened();
  await expect(conversation.send({ body: { text: 'é'.repeat(40_000) } })).rejects.toMatchObject({ code: 'too_large' });
  expect(statuses(conversation)).toEqual(['failed']);
  expect(server.frames('send')).toEqual([]);
});

test('written offline: survives a reload, goes in order, ahead of what is written after', async () => {
  const outbox = memoryOutbox();
  const server = new FakeServer();
  server.open('c1');
  const first = setup({ outbox }, server).client;
  const sent = first.conversation('c1').send({ body: { text: 'a' } });
  void first.conversation('c1').send({ body: { text: 'b' } });
  await until(() => first.conversation('c1').getSnapshot().messages.length === 2);
  first.close();
  await expect(sent).rejects.toMatchObject({ code: 'closed' });

  const { client } = setup({ outbox }, server);
  const conversation = client.conversation('c1');
  void conversation.send({ body: { text: 'c' } });
  await until(() => texts(conversation).join() === 'a,b,c');
  conversation.open();
  client.connect();
  await until(() => seqs(conversation).join() === '1,2,3');
  expect(server.at('c1').messages.map(({ body }) => body.text)).toEqual(['a', 'b', 'c']);
  expect(await outbox.load()).toEqual([]);
});

test('a storage that fails does not keep a message from being sent', async () => {
  const broken = () => Promise.reject(new Error('quota'));
  const { conversation } = await opened({ outbox: { load: broken, put: broken, remove: broken } });
  expect(await outcome(conversation.send({ body: { text: 'a' } }))).toMatchObject({ seq: 1 });
});

test('an answer that never comes on a connection that lives: sent again', async () => {
  const { server, client, conversation } = await opened();
  server.intercept = (_, frame) => frame.t === 'send' && server.frames('send').length === 1;
  const sent = conversation.send({ body: { text: 'a' } });
  await until(() => server.frames('send').length === 2);
  await outcome(sent);
  expect(client.state).toBe('online');
});

test('a change of the body after the call does not change the message', async () => {
  const { server, conversation } = await opened();
  const body = { text: 'a' };
  const sent = conversation.send({ body });
  body.text = 'b';
  await outcome(sent);
  expect(server.at('c1').messages[0]!.body).toEqual({ text: 'a' });
});

test('saved without being open: nothing stays behind', async () => {
  const { server, client } = setup();
  server.open('c1');
  client.connect();
  await online(client);
  await outcome(client.conversation('c1').send({ body: { text: 'a' } }));
  await vi.advanceTimersByTimeAsync(0);
  expect(texts(client.conversation('c1'))).toEqual([]);
});
