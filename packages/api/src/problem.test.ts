import { type AddressInfo, connect } from 'node:net';
import { ChatError } from '@gapless/core';
import { describe, expect, test } from 'vitest';
import { startApi } from './api.test-util.ts';

// Goal: every way to go wrong ends in one shape, and tells no more than it must.

const JSON_HEADERS = { 'content-type': 'application/json' };

async function signedIn() {
  const api = await startApi();
  const token = await api.signUp('ann');
  return { ...api, token, headers: { authorization: `Bearer ${token}`, ...JSON_HEADERS } };
}

test('the shape', async () => {
  const { call } = await startApi();
  const { status, headers, body } = await call('GET', '/v1/nothing');
  expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  expect({ status, body }).toEqual({
    status: 404,
    body: {
      type: 'urn:gapless:error:not_found',
      title: 'There is nothing here.',
      status: 404,
      detail: 'There is nothing here.',
      code: 'not_found',
      requestId: expect.stringMatching(/^[0-9A-Z]{26}$/),
    },
  });
});

describe('bad_frame names what is wrong', () => {
  const send = '/v1/conversations/c/messages';
  const message = { mid: 'm', kind: 'text', body: {} };
  test.each([
    ['no JSON', { url: send, payload: '{"mid":' }, 'body: is not valid JSON'],
    ['a key that poisons', { url: send, payload: '{"__proto__":{}}' }, 'body: is not valid JSON'],
    ['nothing', { url: send, payload: '' }, 'body: must be object'],
    ['a list', { url: send, payload: '[]' }, 'body: must be object'],
    ['another type', { url: send, payload: 'mid=m', type: 'application/x-www-form-urlencoded' }, 'content-type: must be application/json'],
    [
      'JSON under another name',
      { url: send, payload: JSON.stringify(message), type: 'text/plain' },
      'content-type: must be application/json',
    ],
    ['a missing field', { url: send, payload: '{"kind":"text","body":{}}' }, 'mid: is required'],
    ['a number for text', { url: send, payload: JSON.stringify({ ...message, mid: 7 }) }, 'mid: must be string'],
    ['text for a number', { url: send, payload: JSON.stringify({ ...message, replyTo: '1' }) }, 'replyTo: must be integer'],
    ['deep within', { url: send, payload: JSON.stringify({ ...message, mentions: ['a', 7] }) }, 'mentions.1: must be string'],
    ['a body that is text', { url: send, payload: JSON.stringify({ ...message, body: 'hi' }) }, 'body: must be object'],
    ['a kind unknown', { url: '/v1/conversations', payload: '{"kind":"room","participants":[]}' }, /^kind: /],
    ['an id too long', { url: `/v1/conversations/${'x'.repeat(65)}/read`, payload: '{"pos":1}' }, /^cid: must NOT have more than 64/],
    [
      'a short password',
      { url: '/v1/auth/register', payload: '{"username":"ann","password":"short"}' },
      /^password: must NOT have fewer than 8/,
    ],
    [
      'a strange name',
      { url: '/v1/auth/register', payload: '{"username":"an n","password":"long enough"}' },
      /^username: must match pattern/,
    ],
  ])('%s', async (_name, { url, payload, type = 'application/json' }: { url: string; payload: string; type?: string }, detail) => {
    const { app, headers } = await signedIn();
    const response = await app.inject({ method: 'POST', url, payload, headers: { ...headers, 'content-type': type } });
    expect(response.json()).toMatchObject({ status: 400, code: 'bad_frame', detail: expect.stringMatching(detail) });
  });

  test.each([
    'limit=0',
    'limit=201',
    'limit=1.5',
    'limit=',
    'limit=1&limit=2',
    'limit=99999999999999999999',
    'after=-1',
    'before=0',
    'after=x',
  ])('query %s', async (query) => {
    const { call, token } = await signedIn();
    const { status, body } = await call('GET', `/v1/conversations/c/messages?${query}`, { token });
    expect([status, body.code, body.detail.split(':')[0]]).toEqual([400, 'bad_frame', query.split('=')[0]]);
  });

  test('an address that is none', async () => {
    const { call } = await startApi();
    expect(await call('GET', '/v1/conversations/%zz')).toMatchObject({ status: 400, body: { code: 'bad_frame' } });
  });
});

test('unknown fields are ignored', async () => {
  const { call } = await startApi();
  const body = { username: 'ann', password: 'correct horse', role: 'admin', extra: [] };
  expect((await call('POST', '/v1/auth/register', { body })).status).toBe(201);
});

test('more than 64 KiB is too large, declared or not', async () => {
  const { app, headers } = await signedIn();
  const response = await app.inject({ method: 'POST', url: '/v1/conversations', headers, payload: `{"x":"${'x'.repeat(65_536)}"}` });
  expect(response.json()).toMatchObject({ status: 413, code: 'too_large' });
});

test('a type is no hindrance where there is no body', async () => {
  const { app, headers } = await signedIn();
  expect((await app.inject({ method: 'POST', url: '/v1/auth/logout', headers })).statusCode).toBe(204);
});

describe('who may not come in is not listened to', () => {
  test.each([
    ['no token', {}],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: 'Basic YW5uOmFubg==' }],
    ['a bad one', { authorization: 'Bearer x.y.z' }],
  ])('%s', async (_name, headers) => {
    const { app } = await startApi();
    const request = { method: 'POST', url: '/v1/conversations', payload: '{', headers: { ...JSON_HEADERS, ...headers } } as const;
    const response = await app.inject(request);
    expect(response.json()).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(response.headers['www-authenticate']).toBe('Bearer');
  });

  test('an old token says that it is old', async () => {
    const { call, token, clock } = await signedIn();
    await clock.advance(30 * 60_000);
    expect(await call('GET', '/v1/me', { token })).toMatchObject({ status: 401, body: { code: 'token_expired' } });
  });

  test('a token in the address is no token here', async () => {
    const { call, token } = await signedIn();
    expect((await call('GET', `/v1/me?token=${token}`)).status).toBe(401);
  });
});

test('what nobody foresaw is internal: the log has it, the answer does not', async () => {
  const { call, chat, token, logged } = await signedIn();
  chat.conversations = () => Promise.reject(new Error('secret-of-the-store'));
  const { status, text, body } = await call('GET', '/v1/conversations', { token });
  expect([status, body.code]).toEqual([500, 'internal']);
  expect(text).not.toContain('secret-of-the-store');
  expect(logged()).toContain('secret-of-the-store');
  expect(logged()).toContain(body.requestId);
});

test('a store that is away, a queue that is full', async () => {
  const { call, chat, token, logged } = await signedIn();
  chat.conversations = () => Promise.reject(new ChatError('store_unavailable', { cause: new Error('disk I/O') }));
  expect(await call('GET', '/v1/conversations', { token })).toMatchObject({ status: 503, body: { code: 'store_unavailable' } });
  expect(logged()).toContain('disk I/O');
  chat.conversations = () => Promise.reject(new ChatError('server_busy', { retryAfterMs: 1_500 }));
  const busy = await call('GET', '/v1/conversations', { token });
  expect(busy).toMatchObject({ status: 503, headers: { 'retry-after': '2' }, body: { code: 'server_busy', retryAfterMs: 1_500 } });
});

test('tokens and passwords are in no log line, however talkative', async () => {
  const { call, app, chat, token, logged } = await signedIn();
  const canary = 'canary-in-a-password';
  const { body } = await call('POST', '/v1/auth/register', { body: { username: 'bob', password: canary } });
  await call('POST', '/v1/auth/login', { body: { username: 'bob', password: `${canary}x` } });
  await call('POST', '/v1/auth/refresh', { body: { refreshToken: body.refreshToken } });
  await call('POST', '/v1/auth/refresh', { body: { refreshToken: body.refreshToken } });
  chat.conversations = () => Promise.reject(new Error('broken'));
  await call('GET', `/v1/conversations?token=${token}`, { token });
  await app.inject({
    method: 'POST',
    url: `/v1/conversations?token=${token}`,
    headers: { authorization: `Bearer ${token}x` },
    payload: canary,
  });
  await call('GET', `/nowhere?token=${token}`);
  expect(logged()).toContain('broken');
  for (const secret of [canary, token, body.accessToken, body.refreshToken]) expect(logged()).not.toContain(secret);
});

test('successes are not logged', async () => {
  const { call, token, logged } = await signedIn();
  await call('GET', '/v1/me', { token });
  expect(logged()).not.toContain('"level":30');
});

test('bytes that are no UTF-8 are no JSON', async () => {
  const { app, headers } = await signedIn();
  const payload = Buffer.concat([Buffer.from('{"mid":"m","kind":"text","body":{"text":"'), Buffer.from([0xff]), Buffer.from('"}}')]);
  const response = await app.inject({ method: 'POST', url: '/v1/conversations/c/messages', headers, payload });
  expect(response.json()).toMatchObject({ status: 400, detail: 'body: is not valid JSON' });
});

test('refusals are logged with their reason', async () => {
  const { call, token, logged } = await signedIn();
  await call('GET', '/v1/me', { token: `${token}x` });
  await call('GET', '/v1/admin/log-sampling', { token });
  const lines = logged()
    .split('\n')
    .filter((line) => line.includes('request refused'))
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { code: 'unauthorized', why: 'signature verification failed', route: '/v1/me' },
    { code: 'forbidden', uid: 'ann', route: '/v1/admin/log-sampling' },
  ]);
});

test('bytes that are no HTTP', async () => {
  const { app } = await startApi();
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'));
    socket.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    socket.on('close', () => resolve(text));
  });
  await app.close();
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
  expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({ code: 'bad_frame', status: 400 });
});

test('who sends such bytes and stays is let go', async () => {
  const { app } = await startApi();
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write('NONSENSE\r\n\r\n'));
  const gone = new Promise((resolve) => app.server.on('connection', (held) => held.on('close', resolve)));
  await gone;
  socket.destroy();
  await app.close();
});
