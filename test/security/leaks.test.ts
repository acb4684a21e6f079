import type { WireClient } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { LOW_MARKS, range, text, useServer } from '../conformance/world.ts';
import { endAll, RawSocket } from './raw-socket.ts';

// Goal: who is not in a conversation learns nothing of it. Method: everything said in it carries a canary; every byte that strangers and
// former participants get is searched for it, and for anything of the conversation at all.

const world = useServer({ env: { ...LOW_MARKS, GAPLESS_WS_BACKPRESSURE_CLOSE_UNWRITABLE_AFTER_MS: '-1' } });

const canary = (what: string) => `canary-${what}`;
const heard = (client: WireClient) => JSON.stringify(client.frames);

/** All that happens in a conversation, done by its participants, each with a canary where there is room for one. */
async function bustle(cid: string, one: string, two: string, round: string): Promise<void> {
  const [http, ada, bo] = [await world.http(one), await world.connect(one), await world.connect(two)];
  await bo.join(cid);
  ada.send({ t: 'typing', cid, on: true });
  const ack = await ada.say(cid, canary(`mid-${round}`), canary(`text-${round}`));
  await bo.wait('message', (frame) => frame.seq === ack.pos);
  bo.send({ t: 'ack', cid, pos: ack.pos });
  bo.send({ t: 'read', cid, pos: ack.pos });
  await http.call('PATCH', `/v1/conversations/${cid}`, { title: canary(`title-${round}`) });
  await world.backend.call('POST', `/v1/conversations/${cid}/participants`, { userIds: [canary(`user-${round}`)] });
  await bo.wait('change', (frame) => frame.users?.includes(canary(`user-${round}`)) ?? false);
  ada.send({ t: 'typing', cid, on: true });
  await ada.settle();
  await Promise.all([ada.close(), bo.close()]);
}

/** Every way to ask for the conversation, over a connection and HTTP; all that was said in answer. */
async function pry(user: string, cid: string): Promise<string> {
  const [client, http] = [await world.connect(user), await world.http(user)];
  client.send({ t: 'join', cid, since: 0 });
  await client.wait('error');
  client.send({ t: 'sync', convs: [{ cid, rev: 0 }] });
  client.send({ t: 'send', cid, mid: canary('mid-1'), ...text('x') });
  client.send({ t: 'read', cid, pos: 1 });
  client.send({ t: 'ack', cid, pos: 1 });
  client.send({ t: 'typing', cid, on: true });
  client.send({ t: 'presence', watch: ['ada', 'bo', canary('user-1')] });
  await client.wait('error', () => client.of('error').length === 6);
  await client.settle();
  expect(new Set(client.of('error').map(({ code }) => code))).toEqual(new Set(['not_participant']));
  // The mid was ours to send: what comes back of it is no news.
  const answers = client.frames.map((frame) => (frame.t === 'error' ? { ...frame, ref: { ...frame.ref, mid: '', cid: '' } } : frame));
  const paths = [
    '/v1/conversations',
    '/v1/conversations?limit=200',
    `/v1/conversations/${cid}`,
    `/v1/conversations/${cid}/messages?after=0`,
    `/v1/conversations/${cid}/messages`,
  ];
  const pages = await Promise.all(paths.map(async (path) => (await http.call('GET', path)).body));
  await client.close();
  return JSON.stringify([answers, pages]);
}

test('a stranger hears nothing, however they ask', async () => {
  const cid = await world.group('ada', 'bo');
  const idle = await world.connect('eve');
  await bustle(cid, 'ada', 'bo', '1');
  const said = await pry('eve', cid);
  await bustle(cid, 'ada', 'bo', '2');
  await idle.settle();
  for (const all of [said, heard(idle)]) {
    expect(all).not.toContain('canary');
    expect(all).not.toContain(cid);
  }
  expect(said).not.toContain('"t":"presence"');
});

test('a former participant hears nothing of what came after, on any kind of connection', async () => {
  const cid = await world.group('ada', 'bo', 'fay');
  const joined = [
    await world.connect('fay'),
    await world.connect('fay', { query: '?batch=1' }),
    await world.connect('fay', { subprotocol: 'gapless.v1.msgpack' }),
  ];
  const idle = await world.connect('fay');
  for (const client of joined) await client.join(cid, { rev: 0 });
  idle.send({ t: 'presence', watch: ['ada', 'bo'] });
  await idle.wait('presence', () => idle.of('presence').length === 2);
  await bustle(cid, 'ada', 'bo', '1');
  await world.backend.call('DELETE', `/v1/conversations/${cid}/participants/fay`);
  const all = [...joined, idle];
  for (const client of all) await client.wait('conversation', (frame) => frame.op === 'removed');
  for (const client of all) client.frames.length = 0;

  await bustle(cid, 'ada', 'bo', '2');
  const said = await pry('fay', cid);
  for (const client of all) await client.settle();
  for (const text of [said, ...all.map(heard)]) {
    expect(text).not.toContain('canary');
    expect(text).not.toContain(cid);
  }
  expect(idle.of('presence')).toEqual([]);
});

test('a removal among many messages: not one from behind it arrives', async () => {
  for (const round of range(1, 5)) {
    const cid = await world.group('ada', 'bo', 'fay');
    const [ada, live, behind, alone] = [
      await world.connect('ada'),
      await world.connect('fay'),
      await world.connect('fay', { query: '?batch=1' }),
      await world.connect('fay'),
    ];
    await live.join(cid);
    for (const i of range(1, 300)) ada.send({ t: 'send', cid, mid: `m${i}`, ...text(`${i}`) });
    behind.send({ t: 'join', cid, since: 0 });
    alone.send({ t: 'join', cid, rev: 0 });
    // A join that is read behind the removal is refused, and has nothing to tell.
    for (const client of [behind, alone]) await client.wait('joined');
    await ada.wait('ack', (frame) => frame.pos >= 20 * round);
    const removal = world.backend.call('DELETE', `/v1/conversations/${cid}/participants/fay`);
    await ada.wait('ack', (frame) => frame.pos === 300);
    await removal;
    const { body } = await (await world.http('ada')).call('GET', `/v1/conversations/${cid}`);
    expect(body).toMatchObject({ head: 300, rev: 301 });
    for (const client of [live, behind, alone]) {
      await client.wait('conversation', (frame) => frame.op === 'removed');
      const removed = await client.wait('change', (frame) => frame.op === 'participants_removed');
      await client.settle();
      const revs = client.of('message').map((frame) => frame.rev);
      // Everything before it, and nothing after.
      expect(revs).toEqual(range(1, removed.rev - 1));
      const last = client.frames.findLastIndex((frame) => frame.t === 'message' || frame.t === 'change');
      expect(client.frames[last]).toBe(removed);
    }
  }
});

test('who is removed while their connection does not read gets what was before, and no positions or typing from after', async () => {
  const cid = await world.group('ada', 'bo', 'fay');
  const slow = await RawSocket.upgrade(world.server.port);
  slow.sendFrame({ t: 'auth', jwt: await world.server.token('fay') });
  slow.sendFrame({ t: 'join', cid, since: 0 });
  await slow.until(() => slow.frames.some((frame) => frame.t === 'joined'));
  slow.socket.pause();
  const ada = await world.connect('ada');
  const count = 1_000;
  for (const i of range(1, count)) {
    ada.send({ t: 'send', cid, mid: `m${i}`, ...text('x'.repeat(12_000)) });
    if (i % 100 === 0) await ada.wait('ack', (frame) => frame.pos === i);
  }
  await world.backend.call('DELETE', `/v1/conversations/${cid}/participants/fay`);
  await bustle(cid, 'ada', 'bo', '1');
  slow.socket.resume();
  await slow.until(() => slow.frames.some((frame) => frame.t === 'change'));
  slow.sendFrame({ t: 'ping', n: 1 });
  await slow.until(() => slow.frames.some((frame) => frame.t === 'pong'));
  expect(slow.frames.flatMap((frame) => (frame.t === 'message' ? [frame.seq] : []))).toEqual(range(1, count));
  const positions = slow.frames.filter((frame) => frame.t === 'read' || frame.t === 'delivered');
  for (const frame of positions) expect(Number(frame.pos)).toBeLessThanOrEqual(count);
  expect(slow.frames.filter((frame) => frame.t === 'typing')).toEqual([]);
  expect(JSON.stringify(slow.frames)).not.toContain('canary');
  await endAll();
});

test('a list shows nothing of a conversation one left, and all of it to who came back', async () => {
  const cid = await world.group('ada', 'fay');
  const [ada, fay] = [await world.http('ada'), await world.http('fay')];
  await ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm1', ...text('one') });
  await fay.call('DELETE', `/v1/conversations/${cid}/participants/fay`);
  await ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm2', ...text(canary('left')) });
  expect(JSON.stringify((await fay.call('GET', '/v1/conversations')).body)).not.toContain(cid);
  await ada.call('POST', `/v1/conversations/${cid}/participants`, { userIds: ['fay'] });
  expect((await fay.call('GET', '/v1/conversations')).body.items[0]).toMatchObject({ cid, lastMessage: { seq: 2 } });
  const client = await world.connect('fay');
  await client.join(cid, { since: 0 });
  await client.wait('message', (frame) => frame.seq === 2);
});

test('an answer that is refused never repeats what it was asked about', async () => {
  const cid = await world.group('ada', 'bo');
  await (await world.http('ada')).call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', ...text(canary('mine')) });
  const bo = await world.connect('bo');
  bo.send({ t: 'send', cid, mid: 'm', ...text('other') });
  expect(JSON.stringify(await bo.wait('error'))).not.toContain('canary');
  const { body } = await (await world.http('bo')).call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', ...text('other') });
  expect(body.code).toBe('mid_conflict');
  expect(JSON.stringify(body)).not.toContain('canary');
});
