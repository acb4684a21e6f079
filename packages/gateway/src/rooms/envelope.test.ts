import { describe, expect, test } from 'vitest';
import { authOf, envelope, isRoomName, parseEnvelope, payloadOf } from './envelope.ts';
import { openPolicy } from './policy.ts';

const parse = (value: unknown) => parseEnvelope(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));

test('an envelope has all five keys, in UTC', () => {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  expect(JSON.parse(envelope('pong', at))).toEqual({ type: 'pong', room: null, data: {}, ts: '2026-01-02T03:04:05.006Z', sender_id: null });
  expect(JSON.parse(envelope('message', at, { room: 'r1', data: { text: 'x' }, from: 'ada' }))).toEqual({
    type: 'message',
    room: 'r1',
    data: { text: 'x' },
    ts: '2026-01-02T03:04:05.006Z',
    sender_id: 'ada',
  });
});

test.each(['', '{', 'null', '[]', '7', '"text"', '[{"type":"ping"}]', '\ufeff{"type":"ping"', '{"type":"ping"} x'])(
  '%j is no envelope',
  (raw) => expect(parse(raw)).toBeUndefined(),
);

test('bytes that are no UTF-8 are no envelope', () => expect(parseEnvelope(Buffer.from([0x7b, 0xff, 0x7d]))).toBeUndefined());

test('the type in any case, the room trimmed; what is of the wrong kind is not there', () => {
  expect(parse({ type: ' JOIN ', room: '\t r1 \n' })).toMatchObject({ type: 'join', room: 'r1' });
  expect(parse({ type: 7, room: { a: 1 } })).toMatchObject({ type: '', room: '' });
  expect(parse({})).toMatchObject({ type: '', room: '' });
});

test.each([
  [{ data: { a: 1 }, text: 'x' }, { a: 1 }],
  [{ text: 'x' }, { text: 'x' }],
  [{ data: null, text: '' }, { text: '' }],
  [{ data: [1], text: 7 }, {}],
  [{}, {}],
])('the payload of %j is %j', (value, payload) => expect(payloadOf(parse(value)!)).toEqual(payload));

test('a payload that is nested too deep, or has the key __proto__, is none', () => {
  expect(payloadOf(parse(`{"data":{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}}`)!)).toBeUndefined();
  expect(payloadOf(parse('{"data":{"a":{"__proto__":{}}}}')!)).toBeUndefined();
});

test('the token of an auth frame, in either dialect', () => {
  for (const value of [
    { t: 'auth', jwt: 'x' },
    { type: 'Auth', jwt: 'x' },
    { type: 'auth', token: 'x' },
    { type: 'auth', data: { token: 'x' } },
  ])
    expect(authOf(parse(value)!)).toBe('x');
  expect(authOf(parse({ type: 'auth' })!)).toBe('');
  expect(authOf(parse({ type: 'join', jwt: 'x' })!)).toBeUndefined();
});

test('names of rooms', () => {
  for (const room of ['r', 'public:lobby', '房间 👋', 'x'.repeat(128)]) expect(isRoomName(room)).toBe(true);
  for (const room of ['', 'x'.repeat(129), '\ud800']) expect(isRoomName(room)).toBe(false);
});

describe('the default policy', () => {
  const ada = { uid: 'ada', role: 'user' } as const;
  const admin = { uid: 'boss', role: 'admin' } as const;
  test.each([
    ['public:lobby', true, true],
    ['private:ada', true, true],
    ['private:bo', false, true],
    ['private:', false, true],
    ['private:ada ', false, true],
    ['anything', true, true],
  ])('%s: ada %s, an admin %s', (room, user, boss) => {
    expect([openPolicy(ada, room), openPolicy(admin, room)]).toEqual([user, boss]);
  });
});
