import { describe, expect, test } from 'vitest';
import { messages, range, text, useServer } from './world.ts';

// Settings that the app's backend changes while the server runs: each takes effect at once, and set back gives the old behaviour.

const world = useServer({ env: { GAPLESS_LOG_LEVEL: 'info', GAPLESS_WS_BACKPRESSURE_CLOSE_UNWRITABLE_AFTER_MS: '-1' } });

const change = (settings: Record<string, string>) => world.backend.call('PATCH', '/v1/admin/settings', settings);

describe('the list', () => {
  test('has name, value, default, what it may be, and help; a change shows there and in the log', async () => {
    const before = await world.backend.call('GET', '/v1/admin/settings');
    expect(before.body.items.find(({ name }: { name: string }) => name === 'ws-backpressure-write-buffer-high-water-mark-bytes')).toEqual({
      name: 'ws-backpressure-write-buffer-high-water-mark-bytes',
      value: '524288',
      default: '524288',
      values: 'whole number from 16384 to 67108864',
      help: expect.stringMatching(/./),
    });
    const { status, body } = await change({ 'ws-backpressure-write-buffer-high-water-mark-bytes': '600000' });
    expect(status).toBe(200);
    expect(body.items.find(({ name }: { name: string }) => name.includes('high')).value).toBe('600000');
    await expect.poll(() => world.server.output()).toMatch(/"by":"backend".*"from":524288,"to":600000.*setting changed/);
    await change({ 'ws-backpressure-write-buffer-high-water-mark-bytes': '524288' });
  });

  test.each([
    [{ 'jwt-secret': 'stolen' }, /^jwt-secret: is not a setting/],
    [{ port: '1' }, /^port: is not a setting/],
    [{ 'ws-backpressure-enabled': 'maybe' }, /^ws-backpressure-enabled: must be true or false/],
    [{ 'ws-backpressure-close-unwritable-after-ms': '-2' }, /whole number from -1/],
    [{ 'ws-backpressure-write-buffer-low-water-mark-bytes': '600000' }, /low water mark is above the high/],
    [{ 'single-session': 'on', __proto__x: 'y' }, /is not a setting/],
    [{ 'single-session': 7 }, /single-session/],
    [{}, /body/],
  ])('%j is refused, and nothing of it taken', async (settings, says) => {
    const before = await world.backend.call('GET', '/v1/admin/settings');
    const { status, body } = await change(settings as Record<string, string>);
    expect([status, body.code]).toEqual([400, 'bad_frame']);
    expect(body.detail).toMatch(says);
    expect((await world.backend.call('GET', '/v1/admin/settings')).body).toEqual(before.body);
  });
});

test('single session: on, the older connection gets kick and 4403; off again, both stay', async () => {
  await change({ 'single-session': 'on' });
  const first = await world.connect('solo');
  const second = await world.connect('solo');
  expect((await first.closed).code).toBe(4403);
  expect(first.of('kick')).toEqual([{ t: 'kick', code: 'replaced', msg: expect.any(String) }]);
  await change({ 'single-session': 'off' });
  const third = await world.connect('solo');
  second.send({ t: 'ping', n: 1 });
  third.send({ t: 'ping', n: 2 });
  expect([(await second.wait('pong')).n, (await third.wait('pong')).n]).toEqual([1, 2]);
});

test('large conversations: a connection that can pull is told and pulls; every other is pushed; set back, all are', async () => {
  const cid = await world.group('ada', 'bo', 'cy');
  const [ada, bo, cy] = [await world.connect('ada'), await world.connect('bo', { query: '?pull=1' }), await world.connect('cy')];
  for (const client of [ada, bo, cy]) {
    client.send({ t: 'join', cid });
    await client.wait('joined');
  }
  await change({ 'group-chat-strategy-mode': 'notify' });
  // The next look at its size is at most a second away.
  for (let i = 1; bo.of('head').length === 0; i++) {
    ada.send({ t: 'send', cid, mid: `until-${i}`, ...text('x') });
    await ada.wait('ack', ({ mid }) => mid === `until-${i}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const had = (await ada.wait('ack', () => true)).pos;
  expect(had).toBeGreaterThan(0);
  ada.send({ t: 'send', cid, mid: 'told', ...text('x') });
  const { pos } = await ada.wait('ack', ({ mid }) => mid === 'told');
  await cy.wait('message', ({ seq }) => seq === pos);
  await bo.wait('head', ({ head }) => head === pos);
  expect(messages(bo, cid).some(({ seq }) => seq === pos)).toBe(false);
  bo.send({ t: 'pull', cid });
  await bo.wait('message', ({ seq }) => seq === pos);
  await change({ 'group-chat-strategy-mode': 'push' });
  for (let i = 1; bo.of('head').at(-1)!.mode !== 'push'; i++) {
    ada.send({ t: 'send', cid, mid: `back-${i}`, ...text('x') });
    await ada.wait('ack', ({ mid }) => mid === `back-${i}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  ada.send({ t: 'send', cid, mid: 'pushed', ...text('x') });
  const last = await ada.wait('ack', ({ mid }) => mid === 'pushed');
  for (const client of [bo, cy]) {
    await client.wait('message', ({ seq }) => seq === last.pos);
    expect(messages(client, cid).map(({ seq }) => seq)).toEqual(range(1, last.pos));
  }
});

test('backpressure: what waits at the high mark goes out when it is switched off', async () => {
  const cid = await world.group('ada', 'sloth');
  const ada = await world.connect('ada');
  const metric = async (name: string) =>
    Number(new RegExp(`^${name} (\\d+)`, 'm').exec(await (await fetch(`${world.server.url}/metrics`)).text())?.[1]);
  await change({ 'ws-backpressure-write-buffer-low-water-mark-bytes': '0', 'ws-backpressure-write-buffer-high-water-mark-bytes': '16384' });
  const sloth = await world.connect('sloth');
  sloth.send({ t: 'join', cid });
  await sloth.wait('joined');
  sloth.socket.pause();
  for (let i = 0; (await metric('gapless_connections_unwritable')) === 0; i++) {
    ada.send({ t: 'send', cid, mid: `fill-${i}`, ...text('x'.repeat(15_000)) });
    await ada.wait('ack', ({ mid }) => mid === `fill-${i}`);
  }
  await change({ 'ws-backpressure-enabled': 'false' });
  await expect.poll(() => metric('gapless_connections_unwritable'), { timeout: 5_000 }).toBe(0);
  sloth.socket.resume();
  const { body } = await world.backend.call('GET', `/v1/conversations/${cid}`);
  await sloth.wait('message', ({ seq }) => seq === body.head);
  expect(messages(sloth, cid).map(({ seq }) => seq)).toEqual(range(1, body.head));
  await change({
    'ws-backpressure-enabled': 'true',
    'ws-backpressure-write-buffer-high-water-mark-bytes': '524288',
    'ws-backpressure-write-buffer-low-water-mark-bytes': '262144',
  });
});
