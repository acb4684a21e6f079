import { expect, onTestFinished, test, vi } from 'vitest';
import { online, opened, outcome, seqs, texts, until } from './testing/setup.ts';

// Goal: what a large conversation does not push is asked for, seldom enough and soon enough. Method: a fake server in each mode, fake timers.

const pulls = (server: Awaited<ReturnType<typeof opened>>['server']) => server.frames('pull').length;

/** A document that can be hidden. */
function page() {
  const target = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  vi.stubGlobal('document', target);
  onTestFinished(() => void vi.unstubAllGlobals());
  return {
    show(visible: boolean) {
      target.visibilityState = visible ? 'visible' : 'hidden';
      target.dispatchEvent(new Event('visibilitychange'));
    },
  };
}

test('notify: one pull for several notices, within the time they name; the head shows at once', async () => {
  const { server, client, conversation } = await opened({}, 1);
  await until(() => client.conversations.getSnapshot().loaded);
  server.setMode('c1', 'notify', 2_000);
  await vi.advanceTimersByTimeAsync(5_000);
  // Nothing new was told of.
  expect(pulls(server)).toBe(0);
  for (let n = 2; n <= 5; n++) server.post('c1', 'bob', `${n}`);
  await vi.advanceTimersByTimeAsync(500);
  expect([pulls(server), seqs(conversation), conversation.getSnapshot().head]).toEqual([0, [1], 5]);
  expect(client.conversations.getSnapshot().items[0]).toMatchObject({ head: 5, unread: 5 });
  // The middle of the jitter.
  await vi.advanceTimersByTimeAsync(600);
  expect([pulls(server), seqs(conversation)]).toEqual([1, [1, 2, 3, 4, 5]]);
  server.change('c1', { op: 'settings', title: 'New' });
  await until(() => conversation.getSnapshot().title === 'New');
  expect(pulls(server)).toBe(2);
});

test('none: a pull about every so often, and never after it was left', async () => {
  const { server, conversation } = await opened({}, 1);
  server.setMode('c1', 'none', 5_000);
  server.post('c1', 'bob', '2');
  await vi.advanceTimersByTimeAsync(4_900);
  expect([pulls(server), seqs(conversation)]).toEqual([0, [1]]);
  await vi.advanceTimersByTimeAsync(15_200);
  expect([pulls(server), seqs(conversation)]).toEqual([4, [1, 2]]);
  conversation.close();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(pulls(server)).toBe(4);
});

test('push again: everything comes by itself', async () => {
  const { server, conversation } = await opened({}, 1);
  server.setMode('c1', 'none', 5_000);
  server.post('c1', 'bob', '2');
  await until(() => conversation.getSnapshot().head === 1);
  server.setMode('c1', 'push');
  server.post('c1', 'bob', '3');
  await until(() => seqs(conversation).length === 3);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(pulls(server)).toBe(0);
});

test.each(['notify', 'none'] as const)('%s: an own message shows soon, in its place', async (mode) => {
  const { server, conversation } = await opened({}, 1);
  server.setMode('c1', mode, 60_000);
  server.post('c1', 'bob', '2');
  await outcome(conversation.send({ body: { text: 'mine' } }));
  await vi.advanceTimersByTimeAsync(400);
  expect([texts(conversation), pulls(server)]).toEqual([['1', '2', 'mine'], 1]);
});

test('an own message that comes by itself is not asked for', async () => {
  const { server, conversation } = await opened({}, 1);
  server.setMode('c1', 'notify', 1_000);
  server.intercept = (socket, frame) => {
    // As a server does that sends an author what they wrote.
    if (frame.t === 'send') socket.joined.get('c1')!.mode = 'push';
    return false;
  };
  await outcome(conversation.send({ body: { text: 'mine' } }));
  await vi.advanceTimersByTimeAsync(2_000);
  expect([texts(conversation), pulls(server)]).toEqual([['1', 'mine'], 0]);
});

test.each(['notify', 'none'] as const)('%s: a hidden page asks for nothing, and at once when it is seen again', async (mode) => {
  const { show } = page();
  const { server, conversation } = await opened({}, 1);
  server.setMode('c1', mode, 1_000);
  show(false);
  server.post('c1', 'bob', '2');
  await vi.advanceTimersByTimeAsync(30_000);
  expect([pulls(server), seqs(conversation)]).toEqual([0, [1]]);
  show(true);
  await vi.advanceTimersByTimeAsync(10);
  expect([pulls(server), seqs(conversation)]).toEqual([1, [1, 2]]);
  show(false);
  show(true);
  await vi.advanceTimersByTimeAsync(10);
  expect(pulls(server)).toBe(1);
});

test('a new connection begins with push, until it is told otherwise', async () => {
  const { server, client, conversation } = await opened({}, 1);
  server.setMode('c1', 'none', 1_000);
  server.drop();
  await until(() => client.state !== 'online');
  server.post('c1', 'bob', '2');
  await online(client);
  await until(() => seqs(conversation).length === 2);
  const before = pulls(server);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(pulls(server)).toBe(before);
});

test('an ack without a rev asks once, and what it was about is no news for ever', async () => {
  const { server, conversation } = await opened({}, 1);
  server.setMode('c1', 'notify', 1_000);
  server.onWire = (frame) => {
    if (frame.t !== 'ack') return [frame];
    const { rev: _, ...ack } = frame;
    return [ack];
  };
  await outcome(conversation.send({ body: { text: 'mine' } }));
  await until(() => texts(conversation).join() === '1,mine');
  await vi.advanceTimersByTimeAsync(5_000);
  expect(pulls(server)).toBe(1);
  // Nothing new, so nothing is asked for.
  server.setMode('c1', 'notify', 1_000);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(pulls(server)).toBe(1);
});

test('a pull that is refused for a moment is tried again', async () => {
  const { server, conversation } = await opened({}, 1);
  let refusals = 0;
  server.intercept = (socket, frame) => {
    if (frame.t !== 'pull' || refusals++ > 0) return false;
    socket.down({ t: 'error', code: 'rate_limited', msg: '', ref: { t: 'pull', cid: 'c1' }, retryAfterMs: 700 });
    return true;
  };
  server.setMode('c1', 'notify', 1_000);
  server.post('c1', 'bob', '2');
  await until(() => seqs(conversation).length === 2);
  expect(pulls(server)).toBe(2);
});
