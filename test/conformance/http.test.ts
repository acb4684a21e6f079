import { PAGE_DEFAULT, PAGE_MAX, PARTICIPANTS_PER_CALL_MAX } from '@gapless/protocol';
import { HttpClient } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import { range, text, useServer } from './world.ts';

// PROTOCOL, section 6.

const world = useServer();

/** Creates users by their first sight. */
async function people(...names: string[]): Promise<HttpClient[]> {
  return Promise.all(
    names.map(async (name) => {
      const http = await world.http(name);
      expect((await http.call('GET', '/v1/me')).status).toBe(200);
      return http;
    }),
  );
}

const problem = ({ status, body }: { status: number; body: { code: string; status: number; requestId: string } }) => {
  expect(body.status).toBe(status);
  expect(body.requestId).toMatch(/./);
  return [status, body.code];
};

describe('accounts', () => {
  const anyone = () => new HttpClient(world.server.url);
  const account = (username: string) => ({ username, password: 'correct horse battery' });
  const tokens = (userId: string) => ({
    userId,
    accessToken: expect.any(String),
    refreshToken: expect.any(String),
    expiresIn: 1_800,
  });

  test('register 201, login 200, me 200: the user id is the user name', async () => {
    const made = await anyone().call('POST', '/v1/auth/register', { ...account('vera'), displayName: 'Vera V' });
    expect([made.status, made.body]).toEqual([201, tokens('vera')]);
    const login = await anyone().call('POST', '/v1/auth/login', account('vera'));
    expect([login.status, login.body]).toEqual([200, tokens('vera')]);
    const me = await new HttpClient(world.server.url, login.body.accessToken).call('GET', '/v1/me');
    expect([me.status, me.body]).toEqual([200, { userId: 'vera', displayName: 'Vera V', role: 'user' }]);
  });

  test('a wrong password and an unknown user are the same 401', async () => {
    await anyone().call('POST', '/v1/auth/register', account('wim'));
    const wrong = await anyone().call('POST', '/v1/auth/login', { username: 'wim', password: 'something else' });
    const unknown = await anyone().call('POST', '/v1/auth/login', { username: 'nobody', password: 'something else' });
    expect(problem(wrong)).toEqual([401, 'unauthorized']);
    expect({ ...unknown.body, requestId: '' }).toEqual({ ...wrong.body, requestId: '' });
  });

  test('refresh works once; using it again revokes the family', async () => {
    const { refreshToken } = (await anyone().call('POST', '/v1/auth/register', account('xaver'))).body;
    const next = await anyone().call('POST', '/v1/auth/refresh', { refreshToken });
    expect([next.status, next.body]).toEqual([200, tokens('xaver')]);
    const http = new HttpClient(world.server.url, next.body.accessToken);
    expect((await http.call('GET', '/v1/me')).status).toBe(200);
    expect(problem(await anyone().call('POST', '/v1/auth/refresh', { refreshToken }))).toEqual([401, 'unauthorized']);
    const descendant = await anyone().call('POST', '/v1/auth/refresh', { refreshToken: next.body.refreshToken });
    expect(problem(descendant)).toEqual([401, 'unauthorized']);
    expect(problem(await http.call('GET', '/v1/me'))).toEqual([401, 'unauthorized']);
  });

  test('logout 204; the tokens are void', async () => {
    const { accessToken, refreshToken } = (await anyone().call('POST', '/v1/auth/register', account('yara'))).body;
    const http = new HttpClient(world.server.url, accessToken);
    expect((await http.call('POST', '/v1/auth/logout')).status).toBe(204);
    expect(problem(await http.call('GET', '/v1/me'))).toEqual([401, 'unauthorized']);
    expect(problem(await anyone().call('POST', '/v1/auth/refresh', { refreshToken }))).toEqual([401, 'unauthorized']);
  });

  test.each([
    ['no password', { username: 'zoe' }, /^password: /],
    ['a short password', { username: 'zoe', password: 'short' }, /^password: /],
    ['no user name', { password: 'correct horse battery' }, /^username: /],
    ['a user name with a space', { username: 'z oe', password: 'correct horse battery' }, /^username: /],
  ])('register with %s: 400', async (_name, body, detail) => {
    const answer = await anyone().call('POST', '/v1/auth/register', body);
    expect(problem(answer)).toEqual([400, 'bad_frame']);
    expect(answer.body.detail).toMatch(detail);
  });
});

describe('conversations', () => {
  test('POST 201: the creator takes part and owns it', async () => {
    const [ada] = await people('ada', 'bo');
    const before = Date.now();
    const { status, body } = await ada!.call('POST', '/v1/conversations', { kind: 'group', participants: ['bo'], title: 'Plans' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ kind: 'group', title: 'Plans', head: 0, lastRead: 0, unread: 0, participantCount: 2 });
    expect(body.cid).toMatch(/^.{1,64}$/);
    expect(body.createdAt).toBeGreaterThanOrEqual(before);
    expect(body.participants).toMatchObject([
      { userId: 'ada', role: 'owner' },
      { userId: 'bo', role: 'member' },
    ]);
    const again = await ada!.call('POST', '/v1/conversations', { kind: 'group', participants: ['bo'], title: 'Plans' });
    expect(again.status).toBe(201);
    expect(again.body.cid).not.toBe(body.cid);
  });

  test('a channel is owned by its creator too', async () => {
    const [ada] = await people('ada');
    const { status, body } = await ada!.call('POST', '/v1/conversations', { kind: 'channel', participants: [] });
    expect([status, body.kind, body.participants[0].role]).toEqual([201, 'channel', 'owner']);
  });

  test('the same dm again: 200 and the same, from either side, also when both begin it at once', async () => {
    const [ada, bo] = await people('dm-a', 'dm-b');
    const begin = (http: HttpClient, other: string) => http.call('POST', '/v1/conversations', { kind: 'dm', participants: [other] });
    const answers = await Promise.all(range(1, 10).flatMap(() => [begin(ada!, 'dm-b'), begin(bo!, 'dm-a')]));
    expect(answers.map(({ status }) => status).sort()).toEqual([...range(1, 19).map(() => 200), 201]);
    expect(new Set(answers.map(({ body }) => body.cid)).size).toBe(1);
    const named = await ada!.call('POST', '/v1/conversations', { kind: 'dm', participants: ['dm-a', 'dm-b'] });
    expect([named.status, named.body.cid]).toEqual([200, answers[0]!.body.cid]);
    const byBackend = await world.backend.call('POST', '/v1/conversations', { kind: 'dm', participants: ['dm-b', 'dm-a'] });
    expect([byBackend.status, byBackend.body.cid]).toEqual([200, answers[0]!.body.cid]);
  });

  test('a dm has exactly two participants, and nobody is added or leaves', async () => {
    const [ada] = await people('ada', 'bo', 'cy');
    for (const participants of [[], ['ada'], ['bo', 'cy']])
      expect(problem(await ada!.call('POST', '/v1/conversations', { kind: 'dm', participants }))).toEqual([400, 'bad_frame']);
    const cid = await ada!.create('dm', ['bo']);
    const path = `/v1/conversations/${cid}/participants`;
    expect(problem(await ada!.call('POST', path, { userIds: ['cy'] }))).toEqual([403, 'forbidden']);
    expect(problem(await ada!.call('DELETE', `${path}/ada`))).toEqual([403, 'forbidden']);
  });

  test('the backend creates users, takes no part, and the first named owns it', async () => {
    const participants = ['made-by-backend-1', 'made-by-backend-2'];
    const { status, body } = await world.backend.call('POST', '/v1/conversations', { kind: 'group', participants });
    expect(status).toBe(201);
    expect(body.participants.map(({ userId, role }: { userId: string; role: string }) => [userId, role])).toEqual([
      ['made-by-backend-1', 'owner'],
      ['made-by-backend-2', 'member'],
    ]);
  });

  test.each([
    ['no kind', { participants: [] }, /^kind: /],
    ['an unknown kind', { kind: 'room', participants: [] }, /^kind: /],
    ['no participants', { kind: 'group' }, /^participants: /],
    ['a participant that is a number', { kind: 'group', participants: [1] }, /^participants\.0: /],
    ['too many', { kind: 'group', participants: range(0, PARTICIPANTS_PER_CALL_MAX).map(String) }, /^participants: /],
    ['a title that is an object', { kind: 'group', participants: [], title: {} }, /^title: /],
  ])('POST with %s: 400 that names the field', async (_name, body, detail) => {
    const [ada] = await people('ada');
    const answer = await ada!.call('POST', '/v1/conversations', body);
    expect(problem(answer)).toEqual([400, 'bad_frame']);
    expect(answer.body.detail).toMatch(detail);
  });

  test('a title with half a character is the same everywhere', async () => {
    const [ada] = await people('ada');
    const cid = await ada!.create('group', [], 'cut \ud83d');
    const client = await world.connect('ada');
    await client.join(cid);
    const shown = async () => (await ada!.call('GET', `/v1/conversations/${cid}`)).body.title;
    expect(await shown()).toBe('cut \ufffd');
    await ada!.call('PATCH', `/v1/conversations/${cid}`, { title: '\ude00 cut' });
    expect([(await client.wait('change')).title, await shown()]).toEqual(['\ufffd cut', '\ufffd cut']);
  });

  test('participants: add, remove, leave; 200 with the conversation, 204', async () => {
    const [owner, member] = await people('p-owner', 'p-member', 'p-third');
    const cid = await owner!.create('group', []);
    const path = `/v1/conversations/${cid}/participants`;
    const added = await owner!.call('POST', path, { userIds: ['p-member', 'p-third', 'p-member'] });
    expect([added.status, added.body.participantCount]).toEqual([200, 3]);
    const again = await owner!.call('POST', path, { userIds: ['p-member'] });
    expect([again.status, again.body.participantCount]).toEqual([200, 3]);
    expect((await owner!.call('DELETE', `${path}/p-third`)).status).toBe(204);
    expect((await owner!.call('DELETE', `${path}/p-third`)).status).toBe(204);
    expect((await member!.call('DELETE', `${path}/p-member`)).status).toBe(204);
    expect(problem(await member!.call('GET', `/v1/conversations/${cid}`))).toEqual([403, 'not_participant']);
    expect((await owner!.call('GET', `/v1/conversations/${cid}`)).body.participantCount).toBe(1);
  });

  test('the list: newest activity first, paged by an opaque cursor, with unread and the last message', async () => {
    const [lister, other] = await people('lister', 'other');
    const cids: string[] = [];
    for (const i of range(1, 7)) cids.push(await other!.create('group', ['lister'], `t${i}`));
    await other!.call('POST', `/v1/conversations/${cids[2]}/messages`, { mid: 'm', ...text('newest') });
    const all = await lister!.call('GET', '/v1/conversations');
    expect(all.status).toBe(200);
    expect(all.body).not.toHaveProperty('next');
    const order = all.body.items.map(({ cid }: { cid: string }) => cid);
    expect(order).toHaveLength(7);
    expect(order[0]).toBe(cids[2]);
    expect(all.body.items[0]).toMatchObject({
      cid: cids[2],
      kind: 'group',
      title: 't3',
      head: 1,
      rev: 1,
      lastRead: 0,
      unread: 1,
      lastMessage: { seq: 1, from: 'other', body: { text: 'newest' } },
    });
    const paged: string[] = [];
    let cursor = '';
    do {
      const { body } = await lister!.call('GET', `/v1/conversations?limit=3${cursor}`);
      expect(body.items.length).toBeLessThanOrEqual(3);
      paged.push(...body.items.map(({ cid }: { cid: string }) => cid));
      cursor = body.next === undefined ? '' : `&cursor=${encodeURIComponent(body.next)}`;
    } while (cursor !== '');
    expect(paged).toEqual(order);
  });

  test.each(['limit=0', 'limit=201', 'limit=x', 'limit=1.5', 'limit=-1', 'cursor=nonsense', 'cursor=W10', 'limit=1&limit=2'])(
    'the list with ?%s: 400',
    async (query) => {
      const [ada] = await people('ada');
      expect(problem(await ada!.call('GET', `/v1/conversations?${query}`))).toEqual([400, 'bad_frame']);
    },
  );
});

describe('messages', () => {
  test('POST 201 {cid, mid, seq, rev, at, stage}; the same again 200 with dup', async () => {
    const [ada] = await people('ada');
    const cid = await ada!.create('group', []);
    const before = Date.now();
    const first = await ada!.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', ...text('x'), at: 5, clientId: 'c' });
    expect([first.status, first.body]).toEqual([201, { cid, mid: 'm', seq: 1, rev: 1, at: first.body.at, stage: 'saved' }]);
    expect(first.body.at).toBeGreaterThanOrEqual(before);
    const again = await ada!.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'm', ...text('x') });
    expect([again.status, again.body]).toEqual([200, { ...first.body, dup: true }]);
  });

  test('what came over HTTP and what came over the socket are one log, with the same fields', async () => {
    const [ada] = await people('ada');
    const cid = await ada!.create('group', []);
    const client = await world.connect('ada');
    await client.join(cid);
    await ada!.call('POST', `/v1/conversations/${cid}/messages`, { mid: 'http', ...text('x'), mentions: ['ada'] });
    await client.say(cid, 'live');
    await client.wait('message', (frame) => frame.mid === 'live');
    const { body } = await ada!.call('GET', `/v1/conversations/${cid}/messages`);
    expect(body.items).toEqual(client.of('message').map(({ t: _t, ...fields }) => fields));
  });

  test('paging: after and before, ascending, bounded by limit, with head', async () => {
    const [ada] = await people('ada');
    const cid = await ada!.create('group', []);
    const client = await world.connect('ada');
    for (const i of range(1, 250)) client.send({ t: 'send', cid, mid: `m${i}`, ...text(`${i}`) });
    await client.wait('ack', (frame) => frame.pos === 250);
    const page = async (query: string) => {
      const { status, body } = await ada!.call('GET', `/v1/conversations/${cid}/messages${query}`);
      expect([status, body.head]).toEqual([200, 250]);
      return body.items.map(({ seq }: { seq: number }) => seq);
    };
    expect(await page('')).toEqual(range(250 - PAGE_DEFAULT + 1, 250));
    expect(await page('?limit=3')).toEqual([248, 249, 250]);
    expect(await page('?after=0&limit=3')).toEqual([1, 2, 3]);
    expect(await page('?after=3')).toEqual(range(4, 3 + PAGE_DEFAULT));
    expect(await page(`?after=0&limit=${PAGE_MAX}`)).toEqual(range(1, PAGE_MAX));
    expect(await page('?after=249')).toEqual([250]);
    expect(await page('?after=250')).toEqual([]);
    expect(await page('?after=9007199254740991')).toEqual([]);
    expect(await page('?before=250&limit=3')).toEqual([247, 248, 249]);
    expect(await page('?before=3')).toEqual([1, 2]);
    expect(await page('?before=1')).toEqual([]);
    expect(await page('?before=9007199254740991&limit=1')).toEqual([250]);
  });

  test.each([
    'after=1&before=3',
    'limit=0',
    'limit=201',
    'limit=',
    'limit=ten',
    'limit=1e2',
    'after=-1',
    'after=1.5',
    'before=0',
    'after=9007199254740992',
    'after=1&after=2',
  ])('?%s: 400', async (query) => {
    const [ada] = await people('ada');
    const cid = await ada!.create('group', []);
    expect(problem(await ada!.call('GET', `/v1/conversations/${cid}/messages?${query}`))).toEqual([400, 'bad_frame']);
  });

  test.each([
    ['no mid', { ...text('x') }, /^mid: /],
    ['a bad mid', { mid: 'ä', ...text('x') }, /^mid: /],
    ['no kind', { mid: 'm', body: {} }, /^kind: /],
    ['no body', { mid: 'm', kind: 'text' }, /^body: /],
    ['a body that is text', { mid: 'm', kind: 'text', body: 'x' }, /^body: /],
  ])('POST with %s: 400 that names the field', async (_name, body, detail) => {
    const [ada] = await people('ada');
    const cid = await ada!.create('group', []);
    const answer = await ada!.call('POST', `/v1/conversations/${cid}/messages`, body);
    expect(problem(answer)).toEqual([400, 'bad_frame']);
    expect(answer.body.detail).toMatch(detail);
    expect(await ada!.history(cid)).toEqual([]);
  });

  test('read: 204, forward only, never beyond the head, and it decides unread', async () => {
    const [ada, bo] = await people('ada', 'bo');
    const cid = await ada!.create('group', ['bo']);
    for (const i of range(1, 5)) await ada!.call('POST', `/v1/conversations/${cid}/messages`, { mid: `m${i}`, ...text('x') });
    const view = async () => {
      const { body } = await bo!.call('GET', `/v1/conversations/${cid}`);
      return [body.head, body.lastRead, body.unread];
    };
    expect(await view()).toEqual([5, 0, 5]);
    for (const [pos, expected] of [
      [3, [5, 3, 2]],
      [1, [5, 3, 2]],
      [0, [5, 3, 2]],
      [99, [5, 5, 0]],
    ] as const) {
      expect((await bo!.call('POST', `/v1/conversations/${cid}/read`, { pos })).status).toBe(204);
      expect(await view()).toEqual(expected);
    }
    for (const pos of [-1, '1', 1.5, null, undefined])
      expect(problem(await bo!.call('POST', `/v1/conversations/${cid}/read`, { pos }))).toEqual([400, 'bad_frame']);
  });
});

describe('operations', () => {
  const anyone = () => new HttpClient(world.server.url);

  test('livez, readyz', async () => {
    for (const path of ['/livez', '/readyz']) {
      const { status, body } = await anyone().call('GET', path);
      expect([status, body.ok]).toEqual([200, true]);
    }
  });

  test('metrics are the Prometheus text format', async () => {
    const response = await fetch(`${world.server.url}/metrics`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
    expect(await response.text()).toMatch(/^gapless_ws_connections \d+$/m);
  });

  test('openapi.json describes what stands in section 6', async () => {
    const { body } = await anyone().call('GET', '/openapi.json');
    expect(body.openapi).toMatch(/^3\.1\./);
    const routes = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes).toEqual(
      expect.arrayContaining([
        'POST /v1/auth/register',
        'POST /v1/auth/login',
        'POST /v1/auth/refresh',
        'POST /v1/auth/logout',
        'GET /v1/me',
        'POST /v1/conversations',
        'GET /v1/conversations',
        'GET /v1/conversations/{cid}',
        'POST /v1/conversations/{cid}/participants',
        'DELETE /v1/conversations/{cid}/participants/{uid}',
        'GET /v1/conversations/{cid}/messages',
        'POST /v1/conversations/{cid}/messages',
        'POST /v1/conversations/{cid}/read',
        'GET /livez',
        'GET /readyz',
        'GET /metrics',
        'GET /openapi.json',
        'GET /asyncapi.json',
      ]),
    );
  });

  test('asyncapi.json describes the frames', async () => {
    const { body } = await anyone().call('GET', '/asyncapi.json');
    expect(body.asyncapi).toMatch(/^3\./);
  });
});

describe('requests that are none', () => {
  test.each([
    ['an unknown address', 'GET', '/v1/nothing', undefined, 404],
    ['a body that is not JSON', 'POST', '/v1/conversations', '{', 400],
    ['a body with __proto__', 'POST', '/v1/conversations', '{"kind":"group","participants":[],"__proto__":{}}', 400],
    ['no body', 'POST', '/v1/conversations', undefined, 400],
    ['a broken escape in the path', 'GET', '/v1/conversations/%ff', undefined, 400],
  ])('%s: a problem', async (_name, method, path, body, status) => {
    const response = await fetch(`${world.server.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${await world.server.token('ada')}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body }),
    });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ status, code: expect.any(String), requestId: expect.any(String) });
  });

  test('answers with data are not to be stored by anyone', async () => {
    const [ada] = await people('ada');
    for (const path of ['/v1/me', '/v1/conversations', '/v1/conversations/nowhere'])
      expect((await ada!.call('GET', path)).headers.get('cache-control')).toBe('no-store');
  });
});
