import { Validator } from '@seriousme/openapi-schema-validator';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { SECRET, startApi } from './api.test-util.ts';
import { createTokenSigner } from './auth/signer.ts';
import { openApiDocument } from './server.ts';

// Goal: what PROTOCOL, section 6, promises of statuses and fields. Rights are proven elsewhere, over the real stores.

const MESSAGE = { mid: 'm1', kind: 'text', body: { text: 'hi' } };

async function withConversation() {
  const api = await startApi();
  const [ann, bob] = [await api.signUp('ann'), await api.signUp('bob')];
  const { body } = await api.call('POST', '/v1/conversations', {
    token: ann,
    body: { kind: 'group', participants: ['bob'], title: 'Tea' },
  });
  return { ...api, ann, bob, cid: body.cid as string, at: (path = '') => `/v1/conversations/${body.cid}${path}` };
}

/** An admin token of the app's backend. */
async function adminToken(api: { clock: { now(): number } }): Promise<string> {
  const sec = Math.floor(api.clock.now() / 1_000);
  return new SignJWT({ role: 'admin' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('backend')
    .setIssuedAt(sec)
    .setExpirationTime(sec + 60)
    .sign(Buffer.from(SECRET));
}

describe('accounts', () => {
  test('register, sign in, refresh, sign out', async () => {
    const { call } = await startApi();
    const account = { username: 'ann', password: 'correct horse', displayName: 'Ann' };
    const made = await call('POST', '/v1/auth/register', { body: account });
    expect(made.status).toBe(201);
    expect(made.body).toEqual({ userId: 'ann', accessToken: expect.any(String), refreshToken: expect.any(String), expiresIn: 1_800 });

    const signedIn = await call('POST', '/v1/auth/login', { body: account });
    expect(signedIn.status).toBe(200);
    const refreshed = await call('POST', '/v1/auth/refresh', { body: { refreshToken: signedIn.body.refreshToken } });
    expect(refreshed.status).toBe(200);
    expect(refreshed.body.accessToken).not.toBe(signedIn.body.accessToken);

    const token = refreshed.body.accessToken;
    expect((await call('GET', '/v1/me', { token })).body).toEqual({ userId: 'ann', displayName: 'Ann', role: 'user' });
    expect((await call('POST', '/v1/auth/logout', { token })).status).toBe(204);
    expect((await call('GET', '/v1/me', { token })).body).toMatchObject({ code: 'unauthorized' });
    expect((await call('GET', '/v1/me', { token: made.body.accessToken })).status).toBe(200);
  });

  test('a refresh token used twice signs the device out', async () => {
    const { call } = await startApi();
    const { body } = await call('POST', '/v1/auth/register', { body: { username: 'ann', password: 'correct horse' } });
    const refresh = (refreshToken: string) => call('POST', '/v1/auth/refresh', { body: { refreshToken } });
    const next = await refresh(body.refreshToken);
    expect(await refresh(body.refreshToken)).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect(await refresh(next.body.refreshToken)).toMatchObject({ status: 401 });
    expect((await call('GET', '/v1/me', { token: next.body.accessToken })).status).toBe(401);
  });

  test('the sixth guess in a minute has to wait, and is told how long', async () => {
    const { call } = await startApi({ rateLimits: true });
    const guess = () => call('POST', '/v1/auth/login', { body: { username: 'ann', password: 'wrong' } });
    for (let i = 0; i < 5; i++) expect((await guess()).status).toBe(401);
    const refused = await guess();
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited', retryAfterMs: 12_000 } });
    expect(refused.headers['retry-after']).toBe('12');
  });

  test('behind a proxy the client cannot choose its address', async () => {
    const { app } = await startApi({ rateLimits: true, trustProxy: true });
    const guess = async (forwarded: string) => {
      const payload = { username: 'ann', password: 'wrong' };
      return (await app.inject({ method: 'POST', url: '/v1/auth/login', payload, headers: { 'x-forwarded-for': forwarded } })).statusCode;
    };
    for (let i = 0; i < 5; i++) expect(await guess(`198.51.100.${i}, 192.0.2.1`)).toBe(401);
    expect(await guess('198.51.100.9, 192.0.2.1')).toBe(429);
    expect(await guess('192.0.2.2')).toBe(401);
  });

  test('a taken name', async () => {
    const { call, signUp } = await startApi();
    await signUp('ann');
    const again = await call('POST', '/v1/auth/register', { body: { username: 'ANN', password: 'correct horse' } });
    expect(again).toMatchObject({ status: 409, body: { code: 'username_taken' } });
  });

  test('an unknown subject of a good token becomes a user', async () => {
    const { call, signUp, clock } = await startApi();
    const token = await createTokenSigner({ secret: SECRET }).sign({
      uid: 'new',
      sid: 's',
      name: 'New',
      at: clock.now(),
      expiresAt: clock.now() + 60_000,
    });
    await call('GET', '/v1/conversations', { token });
    const dm = await call('POST', '/v1/conversations', { token: await signUp('ann'), body: { kind: 'dm', participants: ['new'] } });
    expect(dm).toMatchObject({ status: 201, body: { peer: { userId: 'new', displayName: 'New' } } });
  });
});

describe('conversations', () => {
  test('created 201; the same dm again 200', async () => {
    const { call, signUp } = await startApi();
    const [ann] = [await signUp('ann'), await signUp('bob')];
    const create = () => call('POST', '/v1/conversations', { token: ann, body: { kind: 'dm', participants: ['bob'] } });
    const [first, second] = [await create(), await create()];
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body.cid).toBe(first.body.cid);
    expect(first.body).toMatchObject({ kind: 'dm', head: 0, lastRead: 0, unread: 0, participantCount: 2, peer: { userId: 'bob' } });
  });

  test('detail, list, title, and their unread', async () => {
    const { call, ann, bob, cid, at } = await withConversation();
    await call('POST', at('/messages'), { token: ann, body: MESSAGE });
    const { body } = await call('GET', at(), { token: bob });
    expect(body).toEqual({
      cid,
      kind: 'group',
      title: 'Tea',
      head: 1,
      rev: 1,
      lastRead: 0,
      unread: 1,
      createdAt: expect.any(Number),
      updatedAt: expect.any(Number),
      participantCount: 2,
      participants: [
        { userId: 'ann', displayName: 'ann', role: 'owner', joinedAt: expect.any(Number), lastRead: 1 },
        { userId: 'bob', displayName: 'bob', role: 'member', joinedAt: expect.any(Number), lastRead: 0 },
      ],
      lastMessage: { ...MESSAGE, cid, seq: 1, rev: 1, from: 'ann', at: expect.any(Number) },
    });
    const { participants: _, ...summary } = body;
    expect((await call('GET', '/v1/conversations', { token: bob })).body).toEqual({ items: [summary] });

    const renamed = await call('PATCH', at(), { token: ann, body: { title: 'Coffee' } });
    expect(renamed).toMatchObject({ status: 200, body: { title: 'Coffee', rev: 2 } });
  });

  test('pages of the list', async () => {
    const { call, signUp } = await startApi();
    const token = await signUp('ann');
    for (let i = 0; i < 3; i++) await call('POST', '/v1/conversations', { token, body: { kind: 'group', participants: [] } });
    const first = await call('GET', '/v1/conversations?limit=2', { token });
    expect(first.body.items).toHaveLength(2);
    const second = await call('GET', `/v1/conversations?limit=2&cursor=${encodeURIComponent(first.body.next)}`, { token });
    expect(second.body.items).toHaveLength(1);
    expect(second.body.next).toBeUndefined();
  });

  test('participants come 200 and go 204', async () => {
    const { call, signUp, ann, at } = await withConversation();
    await signUp('carl');
    const added = await call('POST', at('/participants'), { token: ann, body: { userIds: ['carl'], role: 'admin' } });
    expect(added).toMatchObject({ status: 200, body: { participantCount: 3 } });
    expect(added.body.participants[2]).toMatchObject({ userId: 'carl', role: 'admin' });
    expect(await call('DELETE', at('/participants/carl'), { token: ann })).toMatchObject({ status: 204, text: '' });
    expect(await call('POST', at('/participants'), { token: ann, body: { userIds: ['nobody'] } })).toMatchObject({
      status: 400,
      body: { code: 'unknown_user' },
    });
  });

  test('a stranger learns nothing, not even whether it exists', async () => {
    const { call, signUp, at } = await withConversation();
    const token = await signUp('carl');
    const answers = [await call('GET', at(), { token }), await call('GET', '/v1/conversations/none', { token })];
    expect(answers.map(({ status, body }) => [status, body.code, body.detail])).toEqual(
      Array(2).fill([403, 'not_participant', 'You are not in this conversation.']),
    );
  });
});

describe('messages', () => {
  test('201, the same again 200 with dup, another under the same mid 409', async () => {
    const { call, ann, cid, at } = await withConversation();
    const send = (body: object) => call('POST', at('/messages'), { token: ann, body });
    const saved = { cid, mid: 'm1', seq: 1, rev: 1, at: expect.any(Number), stage: 'saved' };
    expect(await send(MESSAGE)).toMatchObject({ status: 201, body: saved });
    const again = await send(MESSAGE);
    expect(again.status).toBe(200);
    expect(again.body).toEqual({ ...saved, dup: true });
    expect(await send({ ...MESSAGE, body: { text: 'other' } })).toMatchObject({ status: 409, body: { code: 'mid_conflict' } });
  });

  test('history by after, before, and neither; bodies as they were sent', async () => {
    const { call, ann, at } = await withConversation();
    const odd = { text: '"}],\u2028\u0000', n: 1.5, deep: [{ null: null }], 'a\nb': true };
    for (let i = 1; i <= 5; i++)
      await call('POST', at('/messages'), { token: ann, body: { ...MESSAGE, mid: `m${i}`, body: { ...odd, i }, mentions: ['bob'] } });
    const page = async (query: string) => (await call('GET', at(`/messages${query}`), { token: ann })).body;
    const seqs = async (query: string) => (await page(query)).items.map(({ seq }: { seq: number }) => seq);
    expect(await seqs('?after=1&limit=2')).toEqual([2, 3]);
    expect(await seqs('?before=4&limit=2')).toEqual([2, 3]);
    expect(await seqs('?limit=2')).toEqual([4, 5]);
    expect(await page('')).toMatchObject({ head: 5, items: [1, 2, 3, 4, 5].map((i) => ({ body: { ...odd, i }, mentions: ['bob'] })) });
  });

  test('read is 204 and shows', async () => {
    const { call, ann, bob, at } = await withConversation();
    await call('POST', at('/messages'), { token: ann, body: MESSAGE });
    expect(await call('POST', at('/read'), { token: bob, body: { pos: 1 } })).toMatchObject({ status: 204, text: '' });
    expect((await call('GET', at(), { token: bob })).body).toMatchObject({ lastRead: 1, unread: 0 });
  });

  test('a body over 16 KiB', async () => {
    const { call, ann, at } = await withConversation();
    const large = await call('POST', at('/messages'), { token: ann, body: { ...MESSAGE, body: { text: 'x'.repeat(16_385) } } });
    expect(large).toMatchObject({ status: 413, body: { code: 'too_large' } });
  });
});

describe('operations', () => {
  test('log sampling is the backend’s alone', async () => {
    const api = await startApi();
    const path = '/v1/admin/log-sampling';
    const [user, admin] = [await api.signUp('ann'), await adminToken(api)];
    expect(await api.call('PUT', path, { token: user, body: { rate: 1, cids: [] } })).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
    expect((await api.call('GET', path, { token: user })).status).toBe(403);
    const rules = { rate: 0.5, cids: ['c1'] };
    expect(await api.call('PUT', path, { token: admin, body: rules })).toMatchObject({ status: 200, body: rules });
    expect((await api.call('GET', path, { token: admin })).body).toEqual(rules);
    expect((await api.call('PUT', path, { token: admin, body: { ...rules, rate: 2 } })).body.detail).toBe('rate: must be <= 1');
  });

  test('alive, ready, measured', async () => {
    const { call } = await startApi();
    expect((await call('GET', '/livez')).status).toBe(200);
    expect((await call('GET', '/readyz')).status).toBe(200);
    const metrics = await call('GET', '/metrics');
    expect([metrics.text, metrics.headers['content-type']]).toEqual(['up 1\n', 'text/plain; version=0.0.4; charset=utf-8']);
    expect((await call('GET', '/asyncapi.json')).body).toMatchObject({ asyncapi: '3.0.0' });
  });

  test('not ready is 503 with the reason', async () => {
    const { call } = await startApi({ readiness: { ok: false, checks: { store: 'draining' } } });
    expect(await call('GET', '/readyz')).toMatchObject({ status: 503, body: { ok: false, checks: { store: 'draining' } } });
  });
});

describe('notices to rooms', () => {
  const path = '/v1/rooms/public%3Alobby/system';

  test('are handed on, by the backend alone', async () => {
    const sent: unknown[] = [];
    const api = await startApi({ rooms: { system: async (room, data) => void sent.push([room, data]) } });
    const [user, admin] = [await api.signUp('ann'), await adminToken(api)];
    expect(await api.call('POST', path, { token: admin, body: { data: { a: 1 } } })).toMatchObject({ status: 202, text: '' });
    expect(sent).toEqual([['public:lobby', { a: 1 }]]);
    expect((await api.call('POST', path, { token: user, body: { data: {} } })).body.code).toBe('forbidden');
    expect((await api.call('POST', path, { body: { data: {} } })).body.code).toBe('unauthorized');
    expect((await api.call('POST', path, { token: admin, body: {} })).body.code).toBe('bad_frame');
    expect(sent).toHaveLength(1);
  });

  test('where there are no rooms there is nothing', async () => {
    const api = await startApi();
    expect((await api.call('POST', path, { token: await adminToken(api), body: { data: {} } })).body.code).toBe('not_found');
  });
});

describe('the OpenAPI document', () => {
  test('is valid, and served', async () => {
    const { call } = await startApi();
    const served = (await call('GET', '/openapi.json')).body;
    expect(served).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    expect(await new Validator().validate(served)).toEqual({ valid: true });
  });

  test('has every route that is served, and no other', async () => {
    const { app } = await startApi();
    const { paths } = openApiDocument() as { paths: Record<string, object> };
    const documented = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    );
    expect(served(app.printRoutes({ commonPrefix: false })).filter((route) => route !== 'GET /')).toEqual(documented.toSorted());
  });

  test('names the problems of each route', () => {
    const { paths } = openApiDocument() as { paths: Record<string, Record<string, { responses: object }>> };
    expect(Object.keys(paths['/v1/conversations/{cid}/messages']!.post!.responses)).toEqual(
      expect.arrayContaining(['200', '201', '400', '401', '403', '409', '413', '429', '500', '503']),
    );
  });
});

/** The lines of the server's own tree of routes, without HEAD, which comes with each GET, and what browsers ask first. */
function served(tree: string): string[] {
  const routes: string[] = [];
  const above: string[] = [];
  for (const line of tree.split('\n')) {
    const match = /^([│├└─ ]*)(\S+) \(([A-Z, ]+)\)/.exec(line) ?? /^([│├└─ ]*)(\S+)$/.exec(line);
    if (match === null) continue;
    const depth = match[1]!.length / 4;
    above.length = depth;
    above.push(match[2]!);
    for (const method of (match[3] ?? '').split(', '))
      if (method !== '' && method !== 'HEAD' && method !== 'OPTIONS') routes.push(`${method} ${above.slice(1).join('')}`);
  }
  return routes.toSorted();
}
