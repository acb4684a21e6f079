import { HttpClient, signToken } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { RoomClient } from './room-client.ts';
import { useServer } from './world.ts';

// PROTOCOL, section 9: where a user is signed in, and ending it from afar.

const world = useServer();

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

/** A sign-in, its HTTP side, and its sid. */
async function signIn(username: string, device?: string, path = 'login') {
  const body = { username, password: 'correct horse battery', ...(device === undefined ? {} : { device }) };
  const response = await fetch(`${world.server.url}/v1/auth/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': CHROME },
    body: JSON.stringify(body),
  });
  const { accessToken, refreshToken } = (await response.json()) as { accessToken: string; refreshToken: string };
  const { sid } = JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString()) as { sid: string };
  return { accessToken, refreshToken, sid, http: new HttpClient(world.server.url, accessToken) };
}

const labels = (body: { items: { label: string }[] }) => body.items.map(({ label }) => label);

test('GET lists the sign-ins, the last seen first, and tells which one asks', async () => {
  const before = Date.now();
  const first = await signIn('ada', undefined, 'register');
  const phone = await signIn('ada', ' My phone ');
  const answer = await first.http.call('GET', '/v1/me/sessions');
  expect(answer.status).toBe(200);
  const item = (sid: string, label: string, current: boolean) => ({
    sid,
    label,
    current,
    createdAt: expect.any(Number),
    lastSeenAt: expect.any(Number),
    expiresAt: expect.any(Number),
  });
  expect(answer.body).toEqual({ items: [item(phone.sid, 'My phone', false), item(first.sid, 'Chrome on Linux', true)] });
  for (const { createdAt, lastSeenAt, expiresAt } of answer.body.items) {
    expect([createdAt >= before, lastSeenAt, expiresAt]).toEqual([true, createdAt, createdAt + 30 * 24 * 60 * 60_000]);
  }
  await new HttpClient(world.server.url).call('POST', '/v1/auth/refresh', { refreshToken: first.refreshToken });
  const [seen] = (await phone.http.call('GET', '/v1/me/sessions')).body.items;
  expect([seen.sid, seen.lastSeenAt > seen.createdAt, seen.current]).toEqual([first.sid, true, false]);
});

test('signing out one device kicks exactly its live connections, and the others stay', async () => {
  const here = await signIn('bo', 'here', 'register');
  const there = await signIn('bo', 'there');
  const stranger = await signIn('cy', undefined, 'register');
  const open = (token: string) => world.open({ token });
  const [stays, other] = [await open(here.accessToken), await open(stranger.accessToken)];
  const go = [await open(there.accessToken), await open(there.accessToken)];
  expect((await here.http.call('DELETE', `/v1/me/sessions/${there.sid}`)).status).toBe(204);
  for (const client of go) {
    expect((await client.closed).code).toBe(4403);
    expect(client.frames.at(-1)).toEqual({ t: 'kick', code: 'signed_out', msg: expect.any(String) });
  }
  for (const client of [stays, other]) {
    await client.settle();
    expect([client.of('kick'), client.of('error')]).toEqual([[], []]);
  }
  expect(await there.http.call('GET', '/v1/me')).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
  const refresh = await world.backend.call('POST', '/v1/auth/refresh', { refreshToken: there.refreshToken });
  expect(refresh.status).toBe(401);
  const again = await world.open();
  again.send({ t: 'auth', jwt: there.accessToken });
  expect((await again.closed).code).toBe(4401);
  expect(labels((await here.http.call('GET', '/v1/me/sessions')).body)).toEqual(['here']);
});

test('connections of the rooms dialect go with their sign-in', async () => {
  const here = await signIn('kai', 'here', 'register');
  const there = await signIn('kai', 'there');
  const [stays, goes] = await Promise.all(
    [here, there].map(({ accessToken }) => RoomClient.open({ url: world.server.url, query: `?token=${accessToken}` })),
  );
  await Promise.all([stays!.wait('welcome'), goes!.wait('welcome')]);
  await here.http.call('DELETE', `/v1/me/sessions/${there.sid}`);
  expect(await goes!.closed).toBe(1008);
  await stays!.settle();
});

test('DELETE of all ends all but the one that asks', async () => {
  const here = await signIn('dee', 'here', 'register');
  const others = [await signIn('dee', 'second'), await signIn('dee', 'third')];
  const stranger = await signIn('eve', undefined, 'register');
  const live = await Promise.all(others.map(({ accessToken }) => world.open({ token: accessToken })));
  const stays = await world.open({ token: here.accessToken });
  expect((await here.http.call('DELETE', '/v1/me/sessions')).status).toBe(204);
  expect(await Promise.all(live.map(async (client) => (await client.closed).code))).toEqual([4403, 4403]);
  await stays.settle();
  expect(labels((await here.http.call('GET', '/v1/me/sessions')).body)).toEqual(['here']);
  expect((await here.http.call('DELETE', '/v1/me/sessions')).status).toBe(204);
  expect((await stranger.http.call('GET', '/v1/me')).status).toBe(200);
});

test('another’s sign-in, one that is over and one that never was: the same 404', async () => {
  const here = await signIn('fay', undefined, 'register');
  const over = await signIn('fay');
  const foreign = await signIn('gus', undefined, 'register');
  await over.http.call('POST', '/v1/auth/logout');
  const answers = [];
  for (const sid of [foreign.sid, over.sid, 'never-was', `${'x'.repeat(64)}`]) {
    const { status, body } = await here.http.call('DELETE', `/v1/me/sessions/${sid}`);
    answers.push({ ...body, status, requestId: '' });
  }
  expect(answers).toEqual(Array(4).fill({ ...answers[0], status: 404, code: 'not_found' }));
  expect((await foreign.http.call('GET', '/v1/me')).status).toBe(200);
  expect((await here.http.call('DELETE', `/v1/me/sessions/${'x'.repeat(65)}`)).status).toBe(400);
});

test('a token of the app’s backend sees no sign-ins, and ends those of its user', async () => {
  const local = await signIn('hal', undefined, 'register');
  const http = new HttpClient(world.server.url, await signToken('hal'));
  expect((await http.call('GET', '/v1/me/sessions')).body).toEqual({ items: [] });
  const second = await signIn('hal');
  expect((await http.call('DELETE', `/v1/me/sessions/${second.sid}`)).status).toBe(204);
  expect((await local.http.call('GET', '/v1/me')).status).toBe(200);
  expect((await http.call('DELETE', '/v1/me/sessions')).status).toBe(204);
  expect((await local.http.call('GET', '/v1/me')).status).toBe(401);
  expect((await http.call('GET', '/v1/me')).status).toBe(200);
});

test.each([
  ['empty', ''],
  ['too long', 'x'.repeat(65)],
])('a device name that is %s: 400', async (_name, device) => {
  for (const path of ['register', 'login']) {
    const body = { username: 'ida', password: 'correct horse battery', device };
    const answer = await world.backend.call('POST', `/v1/auth/${path}`, body);
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringMatching(/^device: /)]);
  }
});

test('a device name of blanks is none', async () => {
  const { http } = await signIn('jan', '   ', 'register');
  expect(labels((await http.call('GET', '/v1/me/sessions')).body)).toEqual(['Chrome on Linux']);
});
