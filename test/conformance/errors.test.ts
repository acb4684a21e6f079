import { BODY_MAX_BYTES, FRAME_MAX_BYTES } from '@gapless/protocol';
import type { WireClient } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import { next, range, text, useServer } from './world.ts';

// PROTOCOL, section 5: error codes. `muted`, `blocked`: nothing mutes or blocks yet. `server_busy` and `store_unavailable` need a store that
// fails and stand beside the writer.

const world = useServer();

/** What the connection answers to a frame. */
async function answer(client: WireClient, frame: Record<string, unknown> | string) {
  const error = next(client, 'error');
  if (typeof frame === 'string') client.sendRaw(frame);
  else client.send(frame);
  const { t: _t, msg, ...rest } = await error;
  expect(msg).not.toBe('');
  return { ...rest, msg };
}

describe('bad_frame', () => {
  const send = { t: 'send', cid: 'c', mid: 'm', kind: 'text', body: {} };
  test.each<[string, Record<string, unknown> | string, RegExp, object | undefined]>([
    ['not JSON', '{"t":', /json/i, undefined],
    ['nothing', '', /json/i, undefined],
    ['an array', '[{"t":"ping"}]', /object/, undefined],
    ['null', 'null', /object/, undefined],
    ['a string', '"ping"', /object/, undefined],
    ['no type', { n: 1 }, /^t: /, undefined],
    ['a type that is a number', { t: 1 }, /^t: /, undefined],
    ['a missing cid', { t: 'join' }, /^cid: /, { t: 'join' }],
    ['an empty cid', { t: 'join', cid: '' }, /^cid: /, { t: 'join', cid: '' }],
    ['a long cid', { t: 'join', cid: 'x'.repeat(65) }, /^cid: /, { t: 'join' }],
    ['a cursor below 0', { t: 'join', cid: 'c', since: -1 }, /^since: /, { t: 'join', cid: 'c' }],
    ['half a cursor', { t: 'join', cid: 'c', rev: 0.5 }, /^rev: /, { t: 'join', cid: 'c' }],
    ['a number beyond 2^53', '{"t":"join","cid":"c","rev":9007199254740993}', /^rev: /, { t: 'join', cid: 'c' }],
    ['a cursor as text', { t: 'join', cid: 'c', rev: '1' }, /^rev: /, { t: 'join', cid: 'c' }],
    ['a bad item of sync', { t: 'sync', convs: [{ cid: 'c' }, { cid: 1 }] }, /^convs\.1\.cid: /, { t: 'sync' }],
    ['a bad mid', { ...send, mid: 'a b' }, /^mid: /, { t: 'send', cid: 'c', mid: 'a b' }],
    ['a missing mid', { ...send, mid: undefined }, /^mid: /, { t: 'send', cid: 'c' }],
    ['a body that is a string', { ...send, body: 'hello' }, /^body: /, { t: 'send', cid: 'c', mid: 'm' }],
    ['a body that is an array', { ...send, body: [] }, /^body: /, { t: 'send', cid: 'c', mid: 'm' }],
    ['an empty kind', { ...send, kind: '' }, /^kind: /, { t: 'send', cid: 'c', mid: 'm' }],
    ['a reply to 0', { ...send, replyTo: 0 }, /^replyTo: /, { t: 'send', cid: 'c', mid: 'm' }],
    ['too many mentions', { ...send, mentions: range(1, 51).map(String) }, /^mentions: /, { t: 'send', cid: 'c', mid: 'm' }],
    ['a position as text', { t: 'read', cid: 'c', pos: '1' }, /^pos: /, { t: 'read', cid: 'c' }],
    ['typing maybe', { t: 'typing', cid: 'c', on: 'yes' }, /^on: /, { t: 'typing', cid: 'c' }],
    ['an auth without a token', { t: 'auth' }, /^jwt: /, { t: 'auth' }],
  ])('%s: names the field and says what it was about', async (_name, frame, msg, ref) => {
    const ada = await world.connect('ada');
    const error = await answer(ada, frame);
    expect(error).toEqual({ code: 'bad_frame', msg: expect.stringMatching(msg), ...(ref === undefined ? {} : { ref }) });
    await ada.settle();
  });

  test('a body nested deeper than 32, or with the key __proto__', async () => {
    const cid = await world.group('ada');
    const ada = await world.connect('ada');
    const nested = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`;
    for (const body of [nested, '{"__proto__":{"admin":true}}']) {
      const error = await answer(ada, `{"t":"send","cid":"${cid}","mid":"m","kind":"text","body":${body}}`);
      expect(error).toMatchObject({ code: 'bad_frame', msg: expect.stringMatching(/^body: /), ref: { t: 'send', cid, mid: 'm' } });
    }
    expect(await ada.say(cid, 'm')).toMatchObject({ pos: 1 });
  });

  test('a kind with half a character, which no store could give back', async () => {
    const cid = await world.group('ada');
    const ada = await world.connect('ada');
    const error = await answer(ada, `{"t":"send","cid":"${cid}","mid":"m","kind":"\\ud800","body":{}}`);
    expect(error).toMatchObject({ code: 'bad_frame', msg: expect.stringMatching(/^kind: /), ref: { t: 'send', cid, mid: 'm' } });
  });

  test('more than 3 within 10 s: close 4400', async () => {
    const ada = await world.connect('ada');
    for (const _ of range(1, 4)) ada.sendRaw('{');
    expect((await ada.closed).code).toBe(4400);
    expect(ada.of('error').map(({ code }) => code)).toEqual(range(1, 4).map(() => 'bad_frame'));
  });

  test('three are borne', async () => {
    const ada = await world.connect('ada');
    for (const _ of range(1, 3)) ada.sendRaw('{');
    await ada.settle();
    expect(ada.of('error')).toHaveLength(3);
  });
});

test.each(['hello', '', '__proto__', 'constructor', 'message', 'ready', 'SEND'])('unknown_type: %j', async (t) => {
  const ada = await world.connect('ada');
  expect(await answer(ada, { t, cid: 'c' })).toMatchObject({ code: 'unknown_type', ref: { t } });
  await ada.settle();
});

test('what is known and not yet served says so, and is no announced feature', async () => {
  const cid = await world.group('ada');
  const ada = await world.connect('ada');
  const frames = [
    { t: 'edit', cid, seq: 1, body: {}, opId: 'o' },
    { t: 'recall', cid, seq: 1, opId: 'o' },
    { t: 'react', cid, seq: 1, emoji: '👍', on: true, opId: 'o' },
    { t: 'call', cid },
  ];
  for (const frame of frames) {
    // With its feature the frame gets its own tests: this one is then to be shortened.
    if (ada.of('ready')[0]!.features.includes(frame.t)) continue;
    expect(await answer(ada, frame)).toMatchObject({ code: 'unknown_type', ref: { t: frame.t, cid } });
  }
});

test('unknown_user: create and add, but not for the backend', async () => {
  const ada = await world.http('ada');
  const missing = await ada.call('POST', '/v1/conversations', { kind: 'group', participants: ['who-is-this'] });
  expect([missing.status, missing.body.code]).toEqual([400, 'unknown_user']);
  const dm = await ada.call('POST', '/v1/conversations', { kind: 'dm', participants: ['who-is-this'] });
  expect([dm.status, dm.body.code]).toEqual([400, 'unknown_user']);
  const cid = await ada.create('group', []);
  const add = await ada.call('POST', `/v1/conversations/${cid}/participants`, { userIds: ['who-is-this'] });
  expect([add.status, add.body.code]).toEqual([400, 'unknown_user']);
  expect((await ada.call('GET', `/v1/conversations/${cid}`)).body.participantCount).toBe(1);
  expect(await world.backend.create('group', ['who-is-this'])).toMatch(/./);
});

describe('forbidden', () => {
  test('a member manages nobody; sys is for the backend', async () => {
    const cid = await world.group('ada', 'bo');
    const [bo, client] = [await world.http('bo'), await world.connect('bo')];
    for (const [method, path, body] of [
      ['POST', 'participants', { userIds: ['ada'] }],
      ['DELETE', 'participants/ada', undefined],
      ['PATCH', '', { title: 'mine' }],
    ] as const) {
      const answer = await bo.call(method, `/v1/conversations/${cid}/${path}`.replace(/\/$/, ''), body);
      expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
    }
    expect(await answer(client, { t: 'send', cid, mid: 'm', kind: 'sys', body: {} })).toMatchObject({
      code: 'forbidden',
      ref: { t: 'send', cid, mid: 'm' },
    });
  });

  test('the admin API is for the backend', async () => {
    const { status, body } = await (await world.http('ada')).call('GET', '/v1/admin/log-sampling');
    expect([status, body.code]).toEqual([403, 'forbidden']);
  });
});

test('not_participant: every frame with a cid, the same for a foreign conversation and one that is not', async () => {
  const cid = await world.group('ada');
  const eve = await world.connect('eve');
  for (const frame of [
    { t: 'join' },
    { t: 'send', mid: 'm', ...text('x') },
    { t: 'ack', pos: 1 },
    { t: 'read', pos: 1 },
    { t: 'typing', on: true },
  ]) {
    const [foreign, nowhere] = [await answer(eve, { ...frame, cid }), await answer(eve, { ...frame, cid: 'nowhere' })];
    expect(foreign).toMatchObject({ code: 'not_participant', ref: { t: frame.t, cid } });
    expect({ ...nowhere, ref: { ...nowhere.ref, cid } }).toEqual(foreign);
  }
});

describe('too_large', () => {
  const bodyOf = (bytes: number) => ({ text: 'x'.repeat(bytes - '{"text":""}'.length) });

  test('a body of 16 KiB goes, one byte more does not; bytes count, not characters', async () => {
    const cid = await world.group('ada');
    const [ada, http] = [await world.connect('ada'), await world.http('ada')];
    ada.send({ t: 'send', cid, mid: 'fits', kind: 'text', body: bodyOf(BODY_MAX_BYTES) });
    await ada.wait('ack');
    const wide = { text: 'ü'.repeat(BODY_MAX_BYTES / 2) };
    for (const body of [bodyOf(BODY_MAX_BYTES + 1), wide]) {
      const error = await answer(ada, { t: 'send', cid, mid: 'over', kind: 'text', body });
      expect(error).toMatchObject({ code: 'too_large', ref: { t: 'send', cid, mid: 'over' } });
      const posted = await http.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'over', kind: 'text', body });
      expect([posted.status, posted.body.code]).toEqual([413, 'too_large']);
    }
    expect(await http.history(cid)).toMatchObject([{ mid: 'fits', body: bodyOf(BODY_MAX_BYTES) }]);
  });

  test('a frame of 64 KiB is read, one byte more closes 1009; a request over it is 413', async () => {
    const ada = await world.connect('ada');
    const frame = (bytes: number) => {
      const head = '{"t":"ping","n":7,"pad":"';
      return `${head}${'x'.repeat(bytes - head.length - 2)}"}`;
    };
    ada.sendRaw(frame(FRAME_MAX_BYTES));
    expect(await ada.wait('pong')).toMatchObject({ n: 7 });
    ada.sendRaw(frame(FRAME_MAX_BYTES + 1));
    expect((await ada.closed).code).toBe(1009);
    const posted = await (await world.http('ada')).call('POST', '/v1/conversations', { kind: 'group', pad: 'x'.repeat(FRAME_MAX_BYTES) });
    expect([posted.status, posted.body.code]).toEqual([413, 'too_large']);
  });
});

test('an error frame over the wire is the problem over HTTP: same code, status of the table, problem+json', async () => {
  const eve = await world.http('eve');
  const { status, body, headers } = await eve.call('POST', '/v1/conversations/nowhere/messages', { mid: 'm', ...text('x') });
  expect(status).toBe(403);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(body).toEqual({
    type: expect.any(String),
    title: expect.any(String),
    status: 403,
    detail: expect.any(String),
    code: 'not_participant',
    requestId: expect.stringMatching(/./),
  });
  const again = await eve.call('POST', '/v1/conversations/nowhere/messages', { mid: 'm', ...text('x') });
  expect(again.body.requestId).not.toBe(body.requestId);
});
