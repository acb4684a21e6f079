import { ChatError } from '@gapless/core';
import { expect, test } from 'vitest';
import { startApi } from './api.test-util.ts';
import type { LiveStreams } from './route.ts';

// What the streams themselves do stands in test/conformance/sse.test.ts.

const streams = (over: Partial<LiveStreams>): LiveStreams => ({
  originHeaders: () => ({ vary: 'origin' }),
  open: async () => {},
  receive: async () => {},
  ...over,
});

test('without streams there is nothing', async () => {
  const { call } = await startApi();
  expect((await call('GET', '/sse')).body).toMatchObject({ status: 404, code: 'not_found' });
  expect((await call('POST', '/sse/conn/frames', { body: { t: 'ping' } })).body).toMatchObject({ status: 404, code: 'not_found' });
});

test('one frame and several come as a list, with what was said of the token', async () => {
  const got: unknown[] = [];
  const { call } = await startApi({ live: streams({ receive: async (...all) => void got.push(all) }) });
  expect((await call('POST', '/sse/one/frames', { body: { t: 'ping' } })).status).toBe(202);
  const { status, text } = await call('POST', '/sse/two/frames', { body: [{ t: 'ping' }, 5], token: 'of-someone' });
  expect([status, text]).toEqual([202, '']);
  expect(got).toEqual([
    ['one', [{ t: 'ping' }], undefined],
    ['two', [{ t: 'ping' }, 5], 'Bearer of-someone'],
  ]);
});

test('an origin is judged before the body, and goes with every answer', async () => {
  const refuse = () => {
    throw new ChatError('forbidden');
  };
  const strict = await startApi({ live: streams({ originHeaders: refuse }) });
  for (const method of ['GET', 'POST'] as const)
    expect((await strict.call(method, method === 'GET' ? '/sse' : '/sse/one/frames', method === 'GET' ? {} : { body: [] })).status).toBe(
      403,
    );
  const { call } = await startApi({ live: streams({}) });
  for (const body of [[], { t: 'ping' }])
    expect((await call('POST', '/sse/one/frames', { body })).headers).toMatchObject({ vary: 'origin', 'cache-control': 'no-store' });
});

test('a reader that is put off is no error of the server', async () => {
  const busy = async () => {
    throw new ChatError('server_busy', { say: 'The stream is not read.', retryAfterMs: 1_500 });
  };
  const { call, logged } = await startApi({ live: streams({ receive: busy }) });
  const { body, headers } = await call('POST', '/sse/a-secret/frames', { body: { t: 'ping' } });
  expect(body).toMatchObject({ status: 503, code: 'server_busy', detail: 'The stream is not read.', retryAfterMs: 1_500 });
  expect(headers['retry-after']).toBe('2');
  expect(logged()).toContain('"level":40');
  expect(logged()).not.toMatch(/"level":50|a-secret/);
});
