import type { Caller } from '@gapless/core';
import { http } from '@gapless/protocol';
import { deviceLabel } from '../device-label.ts';
import { type Call, partsOf, type Route } from '../route.ts';

const SIGNED_IN = { says: 'Signed in.', schema: http.Tokens };

export const authRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/auth/register',
    id: 'register',
    summary: 'Make a local account and sign in',
    auth: 'none',
    body: http.RegisterRequest,
    answers: { 201: SIGNED_IN },
    problems: ['forbidden', 'username_taken', 'rate_limited', 'server_busy'],
    async handle(call, { accounts }) {
      const { body } = partsOf<{ body: { username: string; password: string; displayName?: string; device?: string } }>(call);
      return call.reply.code(201).send(await accounts.register(body, callerOf(call, body.device)));
    },
  },
  {
    method: 'POST',
    path: '/v1/auth/login',
    id: 'login',
    summary: 'Sign in to a local account',
    auth: 'none',
    body: http.LoginRequest,
    answers: { 200: SIGNED_IN },
    problems: ['unauthorized', 'rate_limited', 'server_busy'],
    async handle(call, { accounts }) {
      const { body } = partsOf<{ body: { username: string; password: string; device?: string } }>(call);
      return accounts.login(body, callerOf(call, body.device));
    },
  },
  {
    method: 'POST',
    path: '/v1/auth/refresh',
    id: 'refresh',
    summary: 'Change a refresh token for new tokens; it works once, and using it again signs the device out',
    auth: 'none',
    body: http.RefreshRequest,
    answers: { 200: SIGNED_IN },
    problems: ['unauthorized'],
    async handle(call, { accounts }) {
      const { body } = partsOf<{ body: { refreshToken: string } }>(call);
      return accounts.refresh(body.refreshToken);
    },
  },
  {
    method: 'POST',
    path: '/v1/auth/logout',
    id: 'logout',
    summary: 'End this sign-in: its tokens are void at once, its live connections close',
    auth: 'user',
    answers: { 204: { says: 'Signed out.' } },
    async handle({ token, reply }, { accounts }) {
      if (token.sid !== undefined) await accounts.logout(token.sid, token.expiresAt);
      return reply.code(204).send();
    },
  },
  {
    method: 'GET',
    path: '/v1/me',
    id: 'me',
    summary: 'The user of the token',
    auth: 'user',
    answers: { 200: { says: 'The user.', schema: http.Me } },
    async handle({ token }, { accounts }): Promise<http.Me> {
      const { uid, displayName } = await accounts.me(token);
      return { userId: uid, displayName, role: token.role };
    },
  },
];

function callerOf({ request }: Call, device = ''): Caller {
  return { ip: request.ip, label: device.trim() || deviceLabel(request.headers['user-agent']) };
}
