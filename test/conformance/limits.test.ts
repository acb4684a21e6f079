import { request } from 'node:http';
import { ADDRESS_CONNECTS_BURST, CONVERSATION_SENDS_BURST, FRAMES_BURST, USER_SENDS_BURST } from '@gapless/protocol';
import { describe, expect, test } from 'vitest';
import { range, text, useServer } from './world.ts';

// PROTOCOL, section 5: rate_limited and 4429, with the limits that are on by default.

const world = useServer({ env: { GAPLESS_RATE_LIMITS: 'on' } });

describe('frames', () => {
  test('beyond the burst: rate_limited with retryAfterMs and ref, and after that time it goes on', async () => {
    const cid = await world.group('ada');
    const ada = await world.connect('ada');
    for (const i of range(1, FRAMES_BURST + 20)) ada.send({ t: 'send', cid, mid: `m${i}`, ...text('x') });
    const refused = await ada.wait('error');
    expect(refused).toMatchObject({ code: 'rate_limited', ref: { t: 'send', cid, mid: expect.any(String) } });
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    await ada.wait('ack', () => ada.of('ack').length + ada.of('error').length === FRAMES_BURST + 20);
    const acked = ada.of('ack').map((frame) => frame.mid!);
    const http = await world.http('ada');
    expect((await http.history(cid)).map((message) => message.mid)).toEqual(acked);
    await new Promise((resolve) => setTimeout(resolve, refused.retryAfterMs));
    ada.send({ t: 'send', cid, mid: refused.ref!.mid!, ...text('x') });
    await ada.wait('ack', (frame) => frame.mid === refused.ref!.mid);
  });

  test('a client that goes on regardless is closed 4429', async () => {
    const ada = await world.connect('ada');
    for (const n of range(1, 2_000)) ada.send({ t: 'ping', n });
    expect((await ada.closed).code).toBe(4429);
    expect(new Set(ada.of('error').map(({ code }) => code))).toEqual(new Set(['rate_limited']));
  });
});

test('sign-in: rate_limited is 429 with Retry-After', async () => {
  const attempt = () =>
    fetch(`${world.server.url}/v1/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: 'nobody', password: 'wrong-password' }),
    });
  const answers: Response[] = [];
  while (answers.length < 40 && answers.at(-1)?.status !== 429) answers.push(await attempt());
  const last = answers.at(-1)!;
  expect(last.status).toBe(429);
  expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await last.json()).toMatchObject({ code: 'rate_limited', retryAfterMs: expect.any(Number) });
  expect(new Set(answers.slice(0, -1).map(({ status }) => status))).toEqual(new Set([401]));
});

describe('sends', () => {
  test('one user, whichever way they come: 429 over HTTP after the burst, and the same on a socket', async () => {
    const cid = await world.group('hasty', 'calm');
    const http = await world.http('hasty');
    const statuses: number[] = [];
    let last: Awaited<ReturnType<typeof http.call>> | undefined;
    for (let i = 0; i < 3 * USER_SENDS_BURST && last?.status !== 429; i += 40) {
      const answers = await Promise.all(
        range(i, i + 39).map((n) => http.call('POST', `/v1/conversations/${cid}/messages`, { mid: `h${n}`, ...text('x') })),
      );
      statuses.push(...answers.map(({ status }) => status));
      last = answers.find(({ status }) => status === 429) ?? answers[0];
    }
    expect(last!.status).toBe(429);
    expect(last!.body).toMatchObject({ code: 'rate_limited', retryAfterMs: expect.any(Number) });
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(USER_SENDS_BURST);
    const ws = await world.connect('hasty');
    for (const n of range(1, 20)) ws.send({ t: 'send', cid, mid: `w${n}`, ...text('x') });
    expect(await ws.wait('error')).toMatchObject({ code: 'rate_limited', ref: { t: 'send', cid }, retryAfterMs: expect.any(Number) });
    const calm = await world.connect('calm');
    expect((await calm.say(cid, 'mine')).stage).toBe('saved');
    // What was refused was not stored.
    const stored = (await http.history(cid)).filter(({ mid }) => mid.startsWith('h')).length;
    expect(stored).toBe(statuses.filter((status) => status === 201).length);
  });

  test('one conversation: its bucket holds for all who send there, and for no other conversation', async () => {
    const users = range(1, 12).map((n) => `crowd${n}`);
    const [cid, other] = [await world.group(...users), await world.group(...users)];
    const clients = await Promise.all(users.map((user) => world.connect(user)));
    for (const n of range(1, FRAMES_BURST))
      for (const [i, client] of clients.entries()) client.send({ t: 'send', cid, mid: `m${i}-${n}`, ...text('x') });
    const refused = await Promise.race(clients.map((client) => client.wait('error')));
    expect(refused).toMatchObject({ code: 'rate_limited', ref: { t: 'send', cid } });
    const acks = () => clients.reduce((sum, client) => sum + client.of('ack').length, 0);
    const errors = () => clients.reduce((sum, client) => sum + client.of('error').length, 0);
    await expect.poll(() => acks() + errors(), { timeout: 20_000 }).toBe(users.length * FRAMES_BURST);
    expect(acks()).toBeGreaterThanOrEqual(CONVERSATION_SENDS_BURST);
    expect(acks()).toBeLessThan(users.length * FRAMES_BURST);
    const late = await world.connect('crowd1');
    expect((await late.say(other, 'elsewhere')).stage).toBe('saved');
  });
});

test('new connections of one address: 429 with Retry-After before the upgrade, and after that time the door is open', async () => {
  const answer = (path: string, headers: Record<string, string>) =>
    new Promise<{ status: number; retryAfter: string | undefined }>((resolve, reject) => {
      const asked = request(`${world.server.url}${path}`, { headers, agent: false }, (response) => {
        response.destroy();
        resolve({ status: response.statusCode!, retryAfter: response.headers['retry-after'] });
      });
      asked.once('upgrade', (response, socket) => {
        socket.destroy();
        resolve({ status: response.statusCode!, retryAfter: undefined });
      });
      asked.once('error', reject);
      asked.end();
    });
  const upgrade = () =>
    answer('/ws', {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    });
  let last = await upgrade();
  for (let i = 0; i < 3 * ADDRESS_CONNECTS_BURST && last.status === 101; i++) last = await upgrade();
  expect(last.status).toBe(429);
  expect(Number(last.retryAfter)).toBeGreaterThan(0);
  // The same bucket, which fills meanwhile.
  let stream = await answer('/sse', {});
  for (let i = 0; i < ADDRESS_CONNECTS_BURST && stream.status === 200; i++) stream = await answer('/sse', {});
  expect(stream.status).toBe(429);
  await new Promise((resolve) => setTimeout(resolve, Number(stream.retryAfter) * 1_000));
  expect((await upgrade()).status).toBe(101);
});
