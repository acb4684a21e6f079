import { FRAMES_BURST } from '@gapless/protocol';
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
