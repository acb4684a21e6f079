import { describe, expect, test } from 'vitest';
import { messages, next, range, text, useServer } from './world.ts';

// PROTOCOL, sections 3 and 4.

const world = useServer();

/** A group with `count` messages of its first user, said over HTTP. */
async function history(count: number, ...users: string[]): Promise<string> {
  const cid = await world.group(...users);
  const sender = await world.http(users[0]!);
  for (const i of range(1, count)) await sender.call('POST', `/v1/conversations/${cid}/messages`, { mid: `old-${i}`, ...text(`${i}`) });
  return cid;
}

describe('join, sync, leave', () => {
  test('without a cursor: from the head, nothing is replayed', async () => {
    const cid = await history(3, 'ada', 'bo');
    const bo = await world.connect('bo');
    expect(await bo.join(cid)).toEqual({ t: 'joined', cid, head: 3, rev: 3, lastRead: 0 });
    const ada = await world.connect('ada');
    await ada.say(cid, 'new');
    await bo.wait('message');
    expect(messages(bo, cid).map((frame) => frame.seq)).toEqual([4]);
  });

  test.each([0, 1, 2, 3])('with since %i: every message with a larger seq', async (since) => {
    const cid = await history(3, 'ada', 'bo');
    const bo = await world.connect('bo');
    expect(await bo.join(cid, { since })).toEqual({ t: 'joined', cid, head: 3, rev: 3, lastRead: 0 });
    await (await world.connect('ada')).say(cid, 'new');
    await bo.wait('message', (frame) => frame.seq === 4);
    expect(messages(bo, cid).map((frame) => frame.seq)).toEqual(range(since + 1, 4));
  });

  test('with rev: every change after it, messages and others, dense in rev', async () => {
    const cid = await history(1, 'ada', 'bo');
    const ada = await world.http('ada');
    await ada.call('PATCH', `/v1/conversations/${cid}`, { title: 'Plans' });
    await world.backend.call('POST', `/v1/conversations/${cid}/participants`, { userIds: ['cy'] });
    await world.backend.call('DELETE', `/v1/conversations/${cid}/participants/cy`);
    await ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'last', ...text('x') });
    const bo = await world.connect('bo');
    expect(await bo.join(cid, { rev: 0 })).toMatchObject({ head: 2, rev: 5 });
    await bo.wait('message', (frame) => frame.mid === 'last');
    const log = bo.frames.filter((frame) => frame.t === 'message' || frame.t === 'change');
    expect(log.map((frame) => frame.rev)).toEqual(range(1, 5));
    expect(log.slice(1, 4)).toEqual([
      { t: 'change', cid, rev: 2, op: 'settings', by: 'ada', at: expect.any(Number), title: 'Plans' },
      { t: 'change', cid, rev: 3, op: 'participants_added', by: 'backend', at: expect.any(Number), users: ['cy'], role: 'member' },
      { t: 'change', cid, rev: 4, op: 'participants_removed', by: 'backend', at: expect.any(Number), users: ['cy'] },
    ]);
    expect(log[4]).toMatchObject({ t: 'message', seq: 2, rev: 5 });
    const later = await world.connect('bo');
    await later.join(cid, { rev: 3 });
    await later.wait('message');
    expect(later.frames.flatMap((frame) => ('rev' in frame && frame.t !== 'joined' ? [frame.rev] : []))).toEqual([4, 5]);
  });

  test('both cursors: rev decides', async () => {
    const cid = await history(4, 'ada', 'bo');
    const bo = await world.connect('bo');
    await bo.join(cid, { since: 0, rev: 2 });
    await bo.wait('message', (frame) => frame.seq === 4);
    expect(messages(bo, cid).map((frame) => frame.seq)).toEqual([3, 4]);
  });

  test('sync: one joined or error for each, each with its own cursor', async () => {
    const [one, two, three] = [await history(3, 'ada', 'bo'), await history(2, 'ada', 'bo'), await history(2, 'ada', 'bo')];
    const foreign = await world.group('cy');
    const bo = await world.connect('bo');
    const convs = [{ cid: one, rev: 1 }, { cid: two, since: 0 }, { cid: three }, { cid: foreign, rev: 0 }, { cid: 'nowhere' }];
    bo.send({ t: 'sync', convs });
    await bo.wait('error', (frame) => frame.ref?.cid === 'nowhere');
    for (const [cid, seq] of [
      [one, 3],
      [two, 2],
    ] as const)
      await bo.wait('message', (frame) => frame.cid === cid && frame.seq === seq);
    await bo.settle();
    expect(bo.of('joined').map((frame) => frame.cid)).toEqual([one, two, three]);
    expect([one, two, three].map((cid) => messages(bo, cid).map((frame) => frame.seq))).toEqual([[2, 3], [1, 2], []]);
    expect(bo.of('error').map(({ code, ref }) => [code, ref])).toEqual([
      ['not_participant', { t: 'sync', cid: foreign }],
      ['not_participant', { t: 'sync', cid: 'nowhere' }],
    ]);
    bo.send({ t: 'sync', convs: [] });
    await bo.settle();
  });

  test('leave ends the frames of the conversation; leaving what was not joined is no error', async () => {
    const cid = await world.group('ada', 'bo');
    const [ada, bo] = [await world.connect('ada'), await world.connect('bo')];
    await bo.join(cid);
    await ada.say(cid, 'm1');
    await bo.wait('message');
    bo.send({ t: 'leave', cid });
    bo.send({ t: 'leave', cid });
    bo.send({ t: 'leave', cid: 'nowhere' });
    await bo.settle();
    await ada.say(cid, 'm2');
    // What was not joined is told of as a whole: the frame is the proof that the message passed by.
    await bo.wait('conversation', (frame) => frame.cid === cid && frame.head === 2);
    expect(messages(bo, cid).map((frame) => frame.seq)).toEqual([1]);
    expect(bo.of('error')).toEqual([]);
  });

  test('joining again starts from the new cursor', async () => {
    const cid = await history(3, 'ada');
    const ada = await world.connect('ada');
    await ada.join(cid);
    await ada.join(cid, { since: 1 });
    await ada.wait('message', (frame) => frame.seq === 3);
    expect(messages(ada, cid).map((frame) => frame.seq)).toEqual([2, 3]);
  });
});

describe('send', () => {
  test('ack saved has place and time; the message has all that was sent, and the server’s time', async () => {
    const cid = await world.group('ada', 'bo');
    const [ada, bo] = [await world.connect('ada'), await world.connect('bo')];
    await bo.join(cid);
    await ada.say(cid, 'root');
    const before = Date.now();
    const optional = { replyTo: 1, threadRoot: 1, mentions: ['bo'] };
    ada.send({ t: 'send', cid, mid: 'm1', kind: 'custom', body: { a: [1] }, clientId: 'c-1', at: 12_345, ...optional });
    const ack = await ada.wait('ack', (frame) => frame.mid === 'm1');
    expect(ack).toEqual({ t: 'ack', cid, mid: 'm1', pos: 2, rev: 2, stage: 'saved', at: ack.at });
    expect(ack.at).toBeGreaterThanOrEqual(before);
    expect(ack.at).toBeLessThanOrEqual(Date.now());
    expect(await bo.wait('message', (frame) => frame.mid === 'm1')).toEqual({
      t: 'message',
      cid,
      seq: 2,
      rev: 2,
      mid: 'm1',
      from: 'ada',
      at: ack.at,
      kind: 'custom',
      body: { a: [1] },
      ...optional,
    });
  });

  test('sending needs no join, and does not join', async () => {
    const cid = await world.group('ada');
    const ada = await world.connect('ada');
    await ada.say(cid, 'm1');
    await ada.settle();
    expect(ada.of('message')).toEqual([]);
  });

  test('unknown fields are ignored', async () => {
    const cid = await world.group('ada');
    const ada = await world.connect('ada');
    ada.send({ t: 'send', cid, mid: 'm1', kind: 'text', body: { text: 'x' }, from: 'eve', seq: 99, rev: 99, later: { is: 'fine' } });
    expect(await ada.wait('ack')).toMatchObject({ pos: 1, rev: 1 });
    await ada.join(cid, { since: 0 });
    expect(await ada.wait('message')).toMatchObject({ from: 'ada', seq: 1 });
  });

  test('a mid may be of 1 to 64 characters', async () => {
    const cid = await world.group('ada');
    const ada = await world.connect('ada');
    for (const mid of ['x', '_-aZ09', 'y'.repeat(64)]) expect(await ada.say(cid, mid)).toMatchObject({ stage: 'saved' });
    for (const mid of ['', 'z'.repeat(65), 'ä']) {
      const refused = next(ada, 'error');
      ada.send({ t: 'send', cid, mid, ...text('x') });
      expect(await refused).toMatchObject({ code: 'bad_frame', msg: expect.stringMatching(/^mid: /) });
    }
  });
});

describe('positions', () => {
  test('ack becomes delivered for the others, read becomes read for all others and one’s own other devices', async () => {
    const cid = await history(3, 'ada', 'bo');
    const [ada, bo, tablet] = [await world.connect('ada'), await world.connect('bo'), await world.connect('bo')];
    for (const client of [ada, bo, tablet]) await client.join(cid);
    bo.send({ t: 'ack', cid, pos: 2 });
    expect(await ada.wait('delivered')).toEqual({ t: 'delivered', cid, pos: 2, from: 'bo' });
    bo.send({ t: 'read', cid, pos: 3 });
    expect(await ada.wait('read')).toEqual({ t: 'read', cid, pos: 3, from: 'bo' });
    expect(await tablet.wait('read', (frame) => frame.from === 'bo')).toMatchObject({ cid, pos: 3 });
    const later = await world.connect('ada');
    await later.join(cid);
    expect(await later.wait('read')).toEqual({ t: 'read', cid, pos: 3, from: 'bo' });
    expect(bo.of('delivered')).toEqual([]);
  });

  test('read never goes back, and not beyond the head', async () => {
    const cid = await history(3, 'ada', 'bo');
    const bo = await world.http('bo');
    const unread = async () => {
      const { body } = await bo.call('GET', `/v1/conversations/${cid}`);
      return [body.lastRead, body.unread];
    };
    expect(await unread()).toEqual([0, 3]);
    const client = await world.connect('bo');
    const listener = await world.connect('bo');
    await listener.join(cid);
    const positions = () => listener.of('read').flatMap(({ from, pos }) => (from === 'bo' ? [pos] : []));
    client.send({ t: 'read', cid, pos: 2 });
    await listener.wait('read', (frame) => frame.from === 'bo');
    expect(await unread()).toEqual([2, 1]);
    client.send({ t: 'read', cid, pos: 1 });
    client.send({ t: 'read', cid, pos: Number.MAX_SAFE_INTEGER });
    await listener.wait('read', () => positions().length === 2);
    expect(positions()).toEqual([2, 3]);
    expect(await unread()).toEqual([3, 0]);
    expect((await client.join(cid)).lastRead).toBe(3);
  });

  test('one’s own message is read by oneself', async () => {
    const cid = await world.group('ada', 'bo');
    const ada = await world.connect('ada');
    await ada.say(cid, 'm1');
    const { body } = await (await world.http('ada')).call('GET', `/v1/conversations/${cid}`);
    expect([body.head, body.lastRead, body.unread]).toEqual([1, 1, 0]);
  });
});

describe('typing', () => {
  test('reaches the others who joined, not oneself; off follows', async () => {
    const cid = await world.group('ada', 'bo', 'cy');
    const [ada, bo, cy] = [await world.connect('ada'), await world.connect('bo'), await world.connect('cy')];
    await ada.join(cid);
    await bo.join(cid);
    ada.send({ t: 'typing', cid, on: true });
    expect(await bo.wait('typing')).toEqual({ t: 'typing', cid, from: 'ada', on: true });
    ada.send({ t: 'typing', cid, on: false });
    expect(await bo.wait('typing', (frame) => !frame.on)).toEqual({ t: 'typing', cid, from: 'ada', on: false });
    await Promise.all([ada.settle(), cy.settle()]);
    expect([...ada.of('typing'), ...cy.of('typing')]).toEqual([]);
  });

  test('ends by itself after 5 s', async () => {
    const cid = await world.group('ada', 'bo');
    const [ada, bo] = [await world.connect('ada'), await world.connect('bo')];
    await bo.join(cid);
    ada.send({ t: 'typing', cid, on: true });
    await bo.wait('typing', (frame) => frame.on);
    const from = Date.now();
    await bo.wait('typing', (frame) => !frame.on);
    expect(Date.now() - from).toBeGreaterThan(4_000);
  });

  test('ends with the message', async () => {
    const cid = await world.group('ada', 'bo');
    const [ada, bo] = [await world.connect('ada'), await world.connect('bo')];
    await bo.join(cid);
    ada.send({ t: 'typing', cid, on: true });
    await bo.wait('typing', (frame) => frame.on);
    await ada.say(cid, 'm1');
    await bo.wait('typing', (frame) => !frame.on);
  });
});

test('presence: the state now, then each change, until unwatch', async () => {
  await world.group('pat', 'quin');
  const pat = await world.connect('pat');
  pat.send({ t: 'presence', watch: ['quin', 'nobody-i-know'] });
  expect(await pat.wait('presence')).toMatchObject({ t: 'presence', user: 'quin', state: 'offline' });
  const quin = await world.connect('quin');
  expect(await pat.wait('presence', (frame) => frame.state === 'online')).toMatchObject({ user: 'quin' });
  const offline = next(pat, 'presence', (frame) => frame.state === 'offline');
  await quin.close();
  const gone = await offline;
  expect(gone).toEqual({ t: 'presence', user: 'quin', state: 'offline', lastSeen: expect.any(Number) });
  pat.send({ t: 'presence', unwatch: ['quin'] });
  await pat.settle();
  const told = pat.of('presence').length;
  await (await world.connect('quin')).settle();
  await pat.settle();
  expect(pat.of('presence').length).toBe(told);
  expect(pat.of('presence').every((frame) => frame.user === 'quin')).toBe(true);
});

test('ping is answered with the same n, or none', async () => {
  const ada = await world.connect('ada');
  ada.send({ t: 'ping', n: 42 });
  ada.send({ t: 'ping' });
  await ada.wait('pong', () => ada.of('pong').length === 2);
  expect(ada.of('pong')).toEqual([
    { t: 'pong', n: 42, serverTs: expect.any(Number) },
    { t: 'pong', serverTs: expect.any(Number) },
  ]);
});

describe('conversation', () => {
  test('added, changed with head and unread, removed: to every connection of the user, joined or not', async () => {
    const ada = await world.http('ada');
    await world.http('dee').then((dee) => dee.call('GET', '/v1/me'));
    const [phone, tablet] = [await world.connect('dee'), await world.connect('dee')];
    const cid = await ada.create('group', []);
    await ada.call('POST', `/v1/conversations/${cid}/participants`, { userIds: ['dee'] });
    for (const client of [phone, tablet])
      expect(await client.wait('conversation')).toEqual({ t: 'conversation', cid, op: 'added', head: 0, unread: 0 });

    await ada.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm1', ...text('x') });
    for (const client of [phone, tablet]) {
      const changed = await client.wait('conversation', (frame) => frame.op === 'changed');
      expect(changed).toEqual({ t: 'conversation', cid, op: 'changed', head: 1, unread: 1 });
    }
    phone.send({ t: 'read', cid, pos: 1 });
    expect(await tablet.wait('conversation', (frame) => frame.op === 'changed' && frame.unread === 0)).toMatchObject({ head: 1 });

    await phone.join(cid);
    const retitled = next(tablet, 'conversation', (frame) => frame.op === 'changed');
    await ada.call('PATCH', `/v1/conversations/${cid}`, { title: 'New title' });
    await retitled;
    expect(await phone.wait('change')).toMatchObject({ op: 'settings', title: 'New title' });

    await ada.call('DELETE', `/v1/conversations/${cid}/participants/dee`);
    for (const client of [phone, tablet])
      expect(await client.wait('conversation', (frame) => frame.op === 'removed')).toMatchObject({ cid, op: 'removed' });
    phone.send({ t: 'join', cid });
    expect(await phone.wait('error')).toMatchObject({ code: 'not_participant', ref: { t: 'join', cid } });
  });

  test('everyone in a new conversation hears added, who created it too', async () => {
    await world.group('ada', 'bo');
    const [ada, bo] = [await world.connect('ada'), await world.connect('bo')];
    const cid = await (await world.http('ada')).create('group', ['bo']);
    for (const client of [ada, bo]) await client.wait('conversation', (frame) => frame.cid === cid && frame.op === 'added');
  });
});
