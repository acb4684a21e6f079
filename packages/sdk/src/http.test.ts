import type { http } from '@gapless/protocol';
import { expect, test } from 'vitest';
import { createHttpApi, createRequest } from './http.ts';

const PHONE: http.Session = { sid: 'a/b', label: 'Phone', createdAt: 1, lastSeenAt: 2, expiresAt: 3, current: true };

test('sign-ins are listed and ended by the documented routes, with the token', async () => {
  const calls: string[] = [];
  const fetcher = (async (url: string, init: RequestInit) => {
    calls.push(`${init.method} ${new URL(url).pathname} ${new Headers(init.headers).get('authorization')}`);
    return init.method === 'GET' ? Response.json({ items: [PHONE] }) : new Response(null, { status: 204 });
  }) as typeof fetch;
  const api = createHttpApi(createRequest('https://chat.example.org', fetcher), async () => 'token');
  expect(await api.sessions()).toEqual([PHONE]);
  expect(await api.signOutSession(PHONE.sid)).toBeUndefined();
  expect(await api.signOutOthers()).toBeUndefined();
  expect(calls).toEqual([
    'GET /v1/me/sessions Bearer token',
    'DELETE /v1/me/sessions/a%2Fb Bearer token',
    'DELETE /v1/me/sessions Bearer token',
  ]);
});
