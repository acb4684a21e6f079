import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpClient, launchServer, signToken, WireClient } from '@gapless/testkit';
import { describe, expect, test } from 'vitest';
import { RawSocket } from '../security/raw-socket.ts';
import { LOW_MARKS, range, text, useServer } from './world.ts';

// PROTOCOL, section 5: close codes, and how a connection ends or goes on. 4400, 1009 and `not_participant` stand in errors.test.ts, 4401 in
// transports.test.ts, 4429 in limits.test.ts. 4408 (45 s of silence) and the end of the 30 s of grace stand beside the gateway, by a driven clock.

const world = useServer({
  env: { ...LOW_MARKS, GAPLESS_WS_BACKPRESSURE_CLOSE_UNWRITABLE_AFTER_MS: '500', GAPLESS_MAX_CONNECTIONS: '20' },
});

describe('a token that expires on a live connection', () => {
  test('token_expired, then a fresh one of the same user keeps the connection and what it joined', async () => {
    const cid = await world.group('ada', 'bo');
    const ada = await world.open({ token: await signToken('ada', { lifeSec: 2 }) });
    await ada.join(cid);
    expect(await ada.wait('error')).toMatchObject({ code: 'token_expired' });
    ada.send({ t: 'auth', jwt: await signToken('ada') });
    await ada.wait('ready', () => ada.of('ready').length === 2);
    await (await world.connect('bo')).say(cid, 'm1');
    await ada.wait('message', (frame) => frame.mid === 'm1');
    expect(await ada.say(cid, 'm2')).toMatchObject({ pos: 2 });
    expect(ada.of('error')).toHaveLength(1);
    expect(new Set(ada.of('ready').map((frame) => `${frame.conn} ${frame.device}`)).size).toBe(1);
  });

  test('a fresh one of another user: 4401', async () => {
    const ada = await world.open({ token: await signToken('ada', { lifeSec: 2 }) });
    await ada.wait('error');
    ada.send({ t: 'auth', jwt: await signToken('bo') });
    expect((await ada.closed).code).toBe(4401);
  });

  test('a second expired one: 4401', async () => {
    const ada = await world.open({ token: await signToken('ada', { lifeSec: 2 }) });
    await ada.wait('error');
    ada.send({ t: 'auth', jwt: await signToken('ada', { lifeSec: -1 }) });
    expect((await ada.closed).code).toBe(4401);
  });
});

test('4403 with a kick: signed out, on that sign-in only', async () => {
  const anyone = new HttpClient(world.server.url);
  const account = { username: 'lea', password: 'a long enough password' };
  const first = (await anyone.call('POST', '/v1/auth/register', account)).body.accessToken;
  const second = (await anyone.call('POST', '/v1/auth/login', account)).body.accessToken;
  const [phone, tablet] = [await world.open({ token: first }), await world.open({ token: second })];
  expect((await new HttpClient(world.server.url, first).call('POST', '/v1/auth/logout')).status).toBe(204);
  expect((await phone.closed).code).toBe(4403);
  expect(phone.frames.at(-1)).toEqual({ t: 'kick', code: expect.any(String), msg: expect.any(String) });
  await tablet.settle();
  const again = await world.open();
  again.send({ t: 'auth', jwt: first });
  expect((await again.closed).code).toBe(4401);
});

test('4409: a slow consumer without progress', async () => {
  const cid = await world.group('ada', 'bo');
  const slow = await RawSocket.upgrade(world.server.port);
  slow.sendFrame({ t: 'auth', jwt: await signToken('bo') });
  slow.sendFrame({ t: 'join', cid });
  await slow.until(() => slow.frames.some((frame) => frame.t === 'joined'));
  slow.socket.pause();
  const ada = await world.connect('ada');
  for (let i = 1; !(await closedAsSlow()); i++) await ada.say(cid, `m${i}`, 'x'.repeat(16_000));
  slow.socket.destroy();

  async function closedAsSlow() {
    const { body } = await metrics();
    return /gapless_closes_total\{reason="slow_consumer"\} 1/.test(body);
  }
});

async function metrics(): Promise<{ body: string }> {
  return { body: await (await fetch(`${world.server.url}/metrics`)).text() };
}

test('more connections than allowed: 503 before the upgrade', async () => {
  const opened: WireClient[] = [];
  const refused = await (async () => {
    for (;;) {
      try {
        opened.push(await world.open());
      } catch (error) {
        return String(error);
      }
    }
  })();
  expect(refused).toContain('503');
  expect(opened.length).toBeLessThanOrEqual(20);
  await Promise.all(opened.map((client) => client.close()));
});

describe('SIGTERM', () => {
  test('goaway, then 1001, exit status 0; nothing acked is lost, and resuming brings the rest', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'gapless-sigterm-'));
    try {
      let server = await launchServer({ dataDir, env: { GAPLESS_DRAIN_SPREAD_MS: '300' } });
      const names = range(1, 10).map((i) => `user-${i}`);
      const cid = await new HttpClient(server.url, await signToken('backend', { role: 'admin' })).create('group', names);
      const clients = await Promise.all(names.map(async (name) => WireClient.connect({ url: server.url, token: await signToken(name) })));
      for (const client of clients) await client.join(cid);
      for (const i of range(1, 200))
        for (const [c, client] of clients.entries()) client.send({ t: 'send', cid, mid: `${c}-${i}`, ...text(`${i}`) });
      await clients[0]!.wait('ack');
      const status = server.stop();
      for (const client of clients) {
        const goaway = await client.wait('goaway');
        expect(goaway).toEqual({ t: 'goaway', reconnectInMs: expect.any(Number) });
        expect(goaway.reconnectInMs).toBeLessThanOrEqual(300);
        expect((await client.closed).code).toBe(1001);
      }
      expect(await status).toBe(0);

      server = await launchServer({ dataDir });
      const http = new HttpClient(server.url, await signToken('user-1'));
      const saved = await http.history(cid);
      expect(saved.map(({ seq }) => seq)).toEqual(range(1, saved.length));
      const acks = clients.flatMap((client) => client.of('ack'));
      expect(acks.length).toBeGreaterThan(0);
      for (const { mid, pos } of acks) expect(saved[pos - 1]!.mid).toBe(mid);
      for (const [c, client] of clients.entries()) {
        const seen = client.of('message').map((frame) => frame.seq);
        expect(seen).toEqual(range(1, seen.length));
        const again = await WireClient.connect({ url: server.url, token: await signToken(names[c]!) });
        await again.join(cid, { rev: seen.length });
        if (seen.length < saved.length) await again.wait('message', (frame) => frame.seq === saved.length);
        expect(again.of('message').map((frame) => frame.seq)).toEqual(range(seen.length + 1, saved.length));
        await again.close();
      }
      expect(await server.stop()).toBe(0);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });

  test.each<[string, (port: number) => Promise<RawSocket>]>([
    ['a peer that never answers the close', (port) => RawSocket.upgrade(port)],
    [
      'an upgrade to nothing',
      async (port) => {
        const raw = await RawSocket.open(port);
        raw.request({ path: '/elsewhere' });
        await raw.until(() => raw.head !== '');
        return raw;
      },
    ],
    [
      'an idle HTTP connection',
      async (port) => {
        const raw = await RawSocket.open(port);
        raw.socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
        await raw.until(() => raw.head !== '');
        return raw;
      },
    ],
  ])('%s does not hold it up', async (_name, hold) => {
    const server = await launchServer();
    const raw = await hold(server.port);
    raw.socket.pause();
    expect(await server.stop()).toBe(0);
    raw.socket.destroy();
  });
});
