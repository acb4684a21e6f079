import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpClient, launchServer, signToken, WireClient } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import { next, range, text, useServer } from './world.ts';

// PROTOCOL, section 1: the same (cid, mid) from the same sender returns the first outcome, for ever.

const world = useServer();

const payload = { kind: 'text', body: { text: 'hello', nested: { a: 1, b: [1, 2] } } };
const outcome = ({ seq, pos, rev, at }: { seq?: number; pos?: number; rev?: number; at: number }) => [seq ?? pos, rev, at];

describe('the same again', () => {
  test('from the same connection, another one, and over HTTP: the first outcome, with dup', async () => {
    const cid = await world.group('ada', 'bo');
    const [one, two, http] = [await world.connect('ada'), await world.connect('ada'), await world.http('ada')];
    one.send({ t: 'send', cid, mid: 'm', ...payload });
    const first = await one.wait('ack');
    expect(first).not.toHaveProperty('dup');
    await one.say(cid, 'between');
    one.send({ t: 'send', cid, mid: 'm', ...payload });
    two.send({ t: 'send', cid, mid: 'm', ...payload });
    const again = [await one.wait('ack', (frame) => frame.mid === 'm' && frame.dup === true), await two.wait('ack')];
    for (const ack of again) expect(ack).toEqual({ ...first, dup: true });
    const { status, body } = await http.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', ...payload });
    expect(status).toBe(200);
    expect(body).toEqual({ cid, mid: 'm', seq: first.pos, rev: first.rev, at: first.at, stage: 'saved', dup: true });
    expect(await http.history(cid)).toHaveLength(2);
  });

  test('nobody is shown it twice', async () => {
    const cid = await world.group('ada', 'bo');
    const [ada, bo] = [await world.connect('ada'), await world.connect('bo')];
    await bo.join(cid);
    await ada.say(cid, 'm');
    const dup = next(ada, 'ack');
    ada.send({ t: 'send', cid, mid: 'm', ...text('m') });
    expect(await dup).toMatchObject({ dup: true });
    await ada.say(cid, 'after');
    await bo.wait('message', (frame) => frame.mid === 'after');
    expect(bo.of('message').map((frame) => [frame.seq, frame.mid])).toEqual([
      [1, 'm'],
      [2, 'after'],
    ]);
  });

  test('the order of keys does not matter, the codec neither; clientId and at are no payload', async () => {
    const cid = await world.group('ada');
    const [json, msgpack] = [await world.connect('ada'), await world.connect('ada', { subprotocol: 'gapless.v1.msgpack' })];
    json.sendRaw(`{"t":"send","cid":"${cid}","mid":"m","kind":"text","body":{"b":{"y":1,"x":2},"a":1},"clientId":"c1","at":1}`);
    const first = await json.wait('ack');
    json.sendRaw(`{"body":{"a":1.0,"b":{"x":2,"y":1e0}},"kind":"text","mid":"m","cid":"${cid}","t":"send","clientId":"c2","at":2}`);
    expect(await json.wait('ack', (frame) => frame.dup === true)).toEqual({ ...first, dup: true });
    msgpack.send({ t: 'send', cid, mid: 'm', kind: 'text', body: { a: 1, b: { x: 2, y: 1 } } });
    expect(await msgpack.wait('ack')).toEqual({ ...first, dup: true });
  });

  test('a mid belongs to its conversation: in another one it is another message', async () => {
    const [one, two] = [await world.group('ada'), await world.group('ada')];
    const ada = await world.connect('ada');
    await ada.say(one, 'm');
    expect(await ada.say(two, 'm', 'something else')).not.toHaveProperty('dup');
  });

  test('100 at once, over several connections and HTTP: one message, one outcome', async () => {
    const cid = await world.group('ada', 'bo');
    const connections = await Promise.all(range(1, 5).map(() => world.connect('ada')));
    const listener = await world.connect('bo');
    await listener.join(cid);
    const http = await world.http('ada');
    const answers = range(1, 50).map(() => http.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', ...payload }));
    for (const i of range(0, 49)) connections[i % 5]!.send({ t: 'send', cid, mid: 'm', ...payload });
    const posted = await Promise.all(answers);
    await Promise.all(connections.map((client) => client.wait('ack', () => client.of('ack').length === 10)));
    const outcomes = [...posted.map(({ body }) => outcome(body)), ...connections.flatMap((client) => client.of('ack').map(outcome))];
    expect(outcomes).toHaveLength(100);
    expect(new Set(outcomes.map((values) => JSON.stringify(values))).size).toBe(1);
    const firsts = posted.filter(({ status }) => status === 201).length;
    const firstAcks = connections.flatMap((client) => client.of('ack').filter((frame) => frame.dup !== true)).length;
    expect(firsts + firstAcks).toBe(1);
    expect(posted.every(({ status, body }) => (status === 200) === (body.dup === true))).toBe(true);
    expect(await http.history(cid)).toMatchObject([{ seq: 1, mid: 'm' }]);
    await connections[0]!.say(cid, 'after');
    await listener.wait('message', (frame) => frame.mid === 'after');
    expect(listener.of('message').map((frame) => frame.seq)).toEqual([1, 2]);
  });
});

describe('mid_conflict', () => {
  test.each([
    ['another text', { ...payload, body: { ...payload.body, text: 'other' } }],
    ['a number as text', { ...payload, body: { ...payload.body, nested: { a: '1', b: [1, 2] } } }],
    ['another order in an array', { ...payload, body: { ...payload.body, nested: { a: 1, b: [2, 1] } } }],
    ['another kind', { ...payload, kind: 'image' }],
    ['a reply', { ...payload, replyTo: 1 }],
    ['a thread', { ...payload, threadRoot: 1 }],
    ['mentions', { ...payload, mentions: ['bo'] }],
  ])('%s under the same mid', async (_name, other) => {
    const cid = await world.group('ada', 'bo');
    const [ada, http] = [await world.connect('ada'), await world.http('ada')];
    ada.send({ t: 'send', cid, mid: 'm', ...payload });
    await ada.wait('ack');
    ada.send({ t: 'send', cid, mid: 'm', ...other });
    expect(await ada.wait('error')).toMatchObject({ code: 'mid_conflict', ref: { t: 'send', cid, mid: 'm' } });
    const { status, body } = await http.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', ...other });
    expect([status, body.code]).toEqual([409, 'mid_conflict']);
    expect(await http.history(cid)).toHaveLength(1);
  });

  test('another sender with the same mid and payload', async () => {
    const cid = await world.group('ada', 'bo');
    const [ada, bo] = [await world.connect('ada'), await world.connect('bo')];
    await ada.say(cid, 'm');
    bo.send({ t: 'send', cid, mid: 'm', ...text('m') });
    expect(await bo.wait('error')).toMatchObject({ code: 'mid_conflict', ref: { t: 'send', cid, mid: 'm' } });
    expect(await ada.say(cid, 'next')).toMatchObject({ pos: 2, rev: 2 });
  });

  test('50 senders of one mid at once: one wins, the others conflict', async () => {
    const names = range(1, 50).map((i) => `racer-${i}`);
    const cid = await world.group(...names);
    const answers = await Promise.all(
      names.map(async (name) => (await world.http(name)).call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', ...payload })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...range(1, 49).map(() => 409)]);
  });
});

test('it does not expire: after a kill and a restart on the same data the outcome is the same', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'gapless-dedupe-'));
  try {
    let server = await launchServer({ dataDir });
    const token = await signToken('ada');
    const cid = await new HttpClient(server.url, token).create('group', []);
    const before = await WireClient.connect({ url: server.url, token });
    const first = await before.say(cid, 'm');
    await server.kill();
    server = await launchServer({ dataDir });
    const after = await WireClient.connect({ url: server.url, token });
    expect(await after.say(cid, 'm')).toEqual({ ...first, dup: true });
    after.send({ t: 'send', cid, mid: 'm', ...text('other') });
    expect(await after.wait('error')).toMatchObject({ code: 'mid_conflict' });
    expect(await after.say(cid, 'next')).toMatchObject({ pos: 2, rev: 2 });
    expect(await server.stop()).toBe(0);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
