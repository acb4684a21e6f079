import { randomUUID } from 'node:crypto';
import { UP_SCHEMAS, type UpType } from '@gapless/protocol';
import { HttpClient, SseClient, signToken } from '@gapless/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { text, useServer } from '../conformance/world.ts';

// Goal: who may do what, said once. Method: one row per route and per frame, one cell per caller and place; the routes come from the server's
// own description and the frames from the schemas, so that what is new and has no row fails.

const world = useServer();

const CALLERS = ['anyone', 'expired', 'forged', 'stranger', 'former', 'member', 'manager', 'owner', 'backend'] as const;
type Caller = (typeof CALLERS)[number];
/** `group`: where member, manager and owner are. `foreign`: where none of them is. `nowhere`: no conversation at all. */
const PLACES = ['group', 'foreign', 'nowhere'] as const;
type Place = (typeof PLACES)[number];

/** What a cell says: a code of the protocol, or `ok`. */
type Outcome = string;

/** Outside of the group all users are the same; the backend sees what there is. */
interface Row {
  stranger: Outcome;
  former: Outcome;
  member: Outcome;
  manager: Outcome;
  owner: Outcome;
  /** In the group and in the foreign conversation. */
  backend: Outcome;
  backendNowhere: Outcome;
}

const N = 'not_participant';
const everyone = (outcome: Outcome): Row => ({
  stranger: outcome,
  former: outcome,
  member: outcome,
  manager: outcome,
  owner: outcome,
  backend: outcome,
  backendNowhere: outcome,
});
/** Reading and speaking is for who takes part; the backend does not. */
const PARTICIPANTS: Row = { ...everyone('ok'), stranger: N, former: N, backend: N, backendNowhere: N };
const SEERS: Row = { ...everyone('ok'), stranger: N, former: N, backendNowhere: N };
const MANAGERS: Row = { ...SEERS, member: 'forbidden' };
const OWNERS: Row = { ...MANAGERS, manager: 'forbidden' };

interface RouteRow {
  auth: 'none' | 'user';
  row: Row;
  body?: () => unknown;
  /** Of `{uid}` in the path. */
  uid?: (caller: Caller) => string;
  /** Of `{sid}` in the path. */
  sid?: () => string;
  /** Without a token, where something else takes its place. */
  anyone?: Outcome;
  /** How it is asked where the answer is no JSON. */
  ask?: (token: string | undefined) => Promise<Outcome>;
}

const wrongAccount = () => ({ username: 'nobody-at-all', password: 'a wrong password' });

/** `METHOD path`, and what is asked for where that matters. */
const ROUTES: Record<string, RouteRow> = {
  'GET /livez': { auth: 'none', row: everyone('ok') },
  'GET /readyz': { auth: 'none', row: everyone('ok') },
  'GET /metrics': { auth: 'none', row: everyone('ok') },
  'GET /openapi.json': { auth: 'none', row: everyone('ok') },
  'GET /asyncapi.json': { auth: 'none', row: everyone('ok') },
  'POST /v1/auth/register': {
    auth: 'none',
    row: everyone('ok'),
    body: () => ({ username: `u${randomUUID()}`, password: 'a long enough password' }),
  },
  'POST /v1/auth/login': { auth: 'none', row: everyone('unauthorized'), body: wrongAccount },
  'POST /v1/auth/refresh': { auth: 'none', row: everyone('unauthorized'), body: () => ({ refreshToken: 'never given out' }) },
  'POST /v1/auth/logout': { auth: 'user', row: everyone('ok') },
  'GET /v1/me': { auth: 'user', row: everyone('ok') },
  'GET /v1/me/sessions': { auth: 'user', row: everyone('ok') },
  'DELETE /v1/me/sessions': { auth: 'user', row: everyone('ok') },
  'DELETE /v1/me/sessions/{sid} of another': { auth: 'user', row: everyone('not_found'), sid: () => foreignSid },
  'DELETE /v1/me/sessions/{sid} of nobody': { auth: 'user', row: everyone('not_found'), sid: () => 'never-given-out' },
  'POST /v1/conversations': { auth: 'user', row: everyone('ok'), body: () => ({ kind: 'group', participants: ['member'] }) },
  'GET /v1/conversations': { auth: 'user', row: everyone('ok') },
  'GET /v1/conversations/{cid}': { auth: 'user', row: SEERS },
  'PATCH /v1/conversations/{cid}': { auth: 'user', row: MANAGERS, body: () => ({ title: 'new' }) },
  'POST /v1/conversations/{cid}/participants': { auth: 'user', row: MANAGERS, body: () => ({ userIds: ['newcomer'] }) },
  'POST /v1/conversations/{cid}/participants as admins': {
    auth: 'user',
    row: OWNERS,
    body: () => ({ userIds: ['newcomer'], role: 'admin' }),
  },
  'DELETE /v1/conversations/{cid}/participants/{uid} of another': { auth: 'user', row: MANAGERS, uid: () => 'bystander' },
  'DELETE /v1/conversations/{cid}/participants/{uid} of the owner': { auth: 'user', row: OWNERS, uid: () => 'owner' },
  'DELETE /v1/conversations/{cid}/participants/{uid} of oneself': {
    auth: 'user',
    row: { ...SEERS, member: 'ok' },
    uid: (caller) => caller,
  },
  'DELETE /v1/conversations/{cid}/participants/{uid} of nobody': { auth: 'user', row: MANAGERS, uid: () => 'never-heard-of' },
  'GET /v1/conversations/{cid}/messages': { auth: 'user', row: PARTICIPANTS },
  'POST /v1/conversations/{cid}/messages': { auth: 'user', row: PARTICIPANTS, body: () => ({ mid: 'cell', ...text('x') }) },
  'POST /v1/conversations/{cid}/messages of kind sys': {
    auth: 'user',
    row: { ...everyone('forbidden'), backend: N, backendNowhere: N },
    body: () => ({ mid: 'cell', kind: 'sys', body: {} }),
  },
  'POST /v1/conversations/{cid}/read': { auth: 'user', row: PARTICIPANTS, body: () => ({ pos: 1 }) },
  'GET /sse': { auth: 'user', row: everyone('ok'), ask: streamFor },
  'POST /sse/{conn}/frames of the owner': {
    auth: 'user',
    // Who knows it needs no token; who brings one must be the same.
    anyone: 'ok',
    row: { ...everyone('forbidden'), owner: 'ok' },
    ask: async (token) => (await ownersStream()).frames(token),
  },
  'POST /sse/{conn}/frames of nobody': {
    auth: 'none',
    row: everyone('not_found'),
    ask: async (token) => (await ownersStream()).frames(token, 'never-given-out'),
  },
  'POST /v1/rooms/{room}/system': {
    auth: 'user',
    row: { ...everyone('forbidden'), backend: 'ok', backendNowhere: 'ok' },
    body: () => ({ data: { text: 'hello' } }),
  },
  'GET /v1/admin/log-sampling': { auth: 'user', row: { ...everyone('forbidden'), backend: 'ok', backendNowhere: 'ok' } },
  'PUT /v1/admin/log-sampling': {
    auth: 'user',
    row: { ...everyone('forbidden'), backend: 'ok', backendNowhere: 'ok' },
    body: () => ({ rate: 0.01, cids: [] }),
  },
  'GET /v1/admin/settings': { auth: 'user', row: { ...everyone('forbidden'), backend: 'ok', backendNowhere: 'ok' } },
  'PATCH /v1/admin/settings': {
    auth: 'user',
    row: { ...everyone('forbidden'), backend: 'ok', backendNowhere: 'ok' },
    body: () => ({ 'single-session': 'off' }),
  },
};

interface FrameRow {
  row: Row;
  frame: (cid: string) => Record<string, unknown>;
}

const UNSERVED = everyone('unknown_type');
const FRAMES: Record<Exclude<UpType, 'auth'>, FrameRow> = {
  join: { row: PARTICIPANTS, frame: (cid) => ({ cid, since: 0 }) },
  sync: { row: PARTICIPANTS, frame: (cid) => ({ convs: [{ cid, rev: 0 }] }) },
  leave: { row: everyone('ok'), frame: (cid) => ({ cid }) },
  // Of what is joined: nobody did.
  pull: { row: everyone(N), frame: (cid) => ({ cid }) },
  send: { row: PARTICIPANTS, frame: (cid) => ({ cid, mid: 'cell', ...text('x') }) },
  ack: { row: PARTICIPANTS, frame: (cid) => ({ cid, pos: 1 }) },
  read: { row: PARTICIPANTS, frame: (cid) => ({ cid, pos: 1 }) },
  typing: { row: PARTICIPANTS, frame: (cid) => ({ cid, on: true }) },
  edit: { row: UNSERVED, frame: (cid) => ({ cid, seq: 1, body: {}, opId: 'cell' }) },
  recall: { row: UNSERVED, frame: (cid) => ({ cid, seq: 1, opId: 'cell' }) },
  react: { row: UNSERVED, frame: (cid) => ({ cid, seq: 1, emoji: '👍', on: true, opId: 'cell' }) },
  presence: { row: everyone('ok'), frame: () => ({ watch: ['owner'] }) },
  call: { row: UNSERVED, frame: (cid) => ({ cid }) },
  ping: { row: everyone('ok'), frame: () => ({}) },
};

function expected({ row, auth, anyone }: Pick<RouteRow, 'row' | 'auth' | 'anyone'>, caller: Caller, place: Place): Outcome {
  if (caller === 'anyone' && anyone !== undefined) return anyone;
  if (caller === 'anyone' || caller === 'expired' || caller === 'forged') {
    if (auth === 'none') return row.stranger;
    return caller === 'expired' ? 'token_expired' : 'unauthorized';
  }
  if (caller === 'backend') return place === 'nowhere' ? row.backendNowhere : row.backend;
  return place === 'group' ? row[caller] : row.stranger;
}

const tokens = new Map<Caller, string | undefined>();
/** A sign-in of someone who is none of the callers. */
let foreignSid: string;

beforeAll(async () => {
  await world.group('newcomer', 'someone-else');
  for (const caller of CALLERS) {
    const role = caller === 'backend' ? { role: 'admin' as const } : {};
    tokens.set(caller, await signToken(caller, { ...role, lifeSec: caller === 'expired' ? -1 : 7_200 }));
  }
  const account = { username: 'signed-in', password: 'a long enough password' };
  const { accessToken } = (await world.backend.call('POST', '/v1/auth/register', account)).body;
  foreignSid = JSON.parse(Buffer.from(accessToken.split('.')[1], 'base64url').toString()).sid;
  tokens.set('anyone', undefined);
  tokens.set('forged', `${(await signToken('owner')).slice(0, -6)}AAAAAA`);
});

/** A new set of places for one caller: what they do changes them. */
async function places(): Promise<Record<Place, string>> {
  const group = await world.group('owner', 'member', 'former', 'bystander');
  const path = `/v1/conversations/${group}/participants`;
  await world.backend.call('POST', path, { userIds: ['manager'], role: 'admin' });
  await world.backend.call('DELETE', `${path}/former`);
  const owner = await world.http('owner');
  await owner.call('POST', `/v1/conversations/${group}/messages`, { mid: 'first', ...text('first') });
  return { group, foreign: await world.group('someone-else', 'bystander'), nowhere: `no${group.slice(2)}` };
}

/** What a foreign and a missing conversation may differ in. */
const alike = (value: unknown, cid: string) => JSON.parse(JSON.stringify(value).replaceAll(cid, 'CID'));

test('every route has its row, and no row is of a route that is gone', async () => {
  const { body } = await world.backend.call('GET', '/openapi.json');
  const served = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const rows = new Set(Object.keys(ROUTES).map((name) => name.split(' ').slice(0, 2).join(' ')));
  expect([...rows].toSorted()).toEqual(served.toSorted());
});

test('every frame has its row', () => {
  expect(['auth', ...Object.keys(FRAMES)].toSorted()).toEqual(Object.keys(UP_SCHEMAS).toSorted());
});

describe.each(Object.keys(ROUTES))('%s', (name) => {
  const route = ROUTES[name]!;
  const [method, path] = name.split(' ') as [string, string];

  test.each(CALLERS)('by %s', async (caller) => {
    if (route.ask !== undefined) return expect(await route.ask(tokens.get(caller))).toBe(expected(route, caller, 'group'));
    const cids = await places();
    const client = new HttpClient(world.server.url, tokens.get(caller));
    const answers: Partial<Record<Place, unknown>> = {};
    for (const place of PLACES) {
      const at = path
        .replace('{cid}', cids[place])
        .replace('{uid}', route.uid?.(caller) ?? '')
        .replace('{sid}', route.sid?.() ?? '');
      const { status, body } = await rawCall(client, method, at, route.body?.());
      const outcome = status < 300 ? 'ok' : body.code;
      expect(outcome, `${method} ${at} in ${place}`).toBe(expected(route, caller, place));
      answers[place] = alike({ status, ...body, requestId: '' }, cids[place]);
      if (!path.includes('{cid}')) return;
    }
    // What one may not see and what is not there look the same.
    if (caller !== 'backend') expect(answers.nowhere).toEqual(answers.foreign);
  });
});

/** What a stream with this token says first. */
async function streamFor(token: string | undefined): Promise<Outcome> {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const stream = await SseClient.open({ url: world.server.url, headers });
  await stream.until(() => stream.frames.length > 0);
  const [first] = stream.frames;
  stream.cut();
  return first?.t === 'error' ? first.code : 'ok';
}

/** A stream of the owner, and a way to send up it. */
async function ownersStream() {
  const stream = await SseClient.open({ url: world.server.url, headers: { authorization: `Bearer ${tokens.get('owner')}` } });
  await stream.wait('ready');
  return {
    async frames(token: string | undefined, conn = stream.conn): Promise<Outcome> {
      stream.conn = conn;
      const answer = await stream.post({ t: 'ping' }, token === undefined ? {} : { authorization: `Bearer ${token}` });
      if (answer.status === 202) await stream.wait('pong');
      else expect(stream.of('pong')).toEqual([]);
      stream.cut();
      return answer.status === 202 ? 'ok' : JSON.parse(answer.text).code;
    },
  };
}

/** Answers that are no JSON are told by their status alone. */
async function rawCall(
  client: HttpClient,
  method: string,
  path: string,
  body: unknown,
): Promise<{ status: number; body: { code?: string } }> {
  if (path !== '/metrics') return client.call(method, path, body);
  return { status: (await fetch(`${world.server.url}${path}`)).status, body: {} };
}

describe.each(Object.keys(FRAMES) as (keyof typeof FRAMES)[])('frame %s', (t) => {
  const { row, frame } = FRAMES[t];

  test.each(CALLERS)('by %s', async (caller) => {
    const cids = await places();
    const answers: Partial<Record<Place, unknown>> = {};
    for (const place of PLACES) {
      const client = await world.open();
      const token = tokens.get(caller);
      if (token !== undefined) client.send({ t: 'auth', jwt: token });
      client.send({ t, ...frame(cids[place]) });
      const wanted = expected({ row, auth: 'user' }, caller, place);
      if (wanted === 'token_expired' || wanted === 'unauthorized') expect((await client.closed).code).toBe(4401);
      else if (wanted === 'ok') {
        // Nothing to wait for where nothing is answered: by then the frame was handled, and others after it.
        await client.settle();
        await world.backend.call('GET', '/livez');
        await client.settle();
      } else await client.wait('error');
      expect(
        client.of('error').map(({ code }) => code),
        `${t} in ${place}`,
      ).toEqual(wanted === 'ok' ? [] : [wanted]);
      answers[place] = alike(client.of('error'), cids[place]);
      const said = client.frames.filter((got) => got.t !== 'ready' && got.t !== 'error');
      if (wanted !== 'ok') expect(said.filter((got) => 'cid' in got && got.cid === cids[place] && got.t !== 'conversation')).toEqual([]);
      await client.close();
    }
    expect(answers.nowhere).toEqual(answers.foreign);
  });
});
