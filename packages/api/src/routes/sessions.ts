import { http } from '@gapless/protocol';
import { partsOf, type Route } from '../route.ts';

const SidParams = {
  type: 'object',
  properties: { sid: { type: 'string', minLength: 1, maxLength: 64 } },
  required: ['sid'],
} as const;

/** Where a user is signed in, and ending it from afar. */
export const sessionRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/me/sessions',
    id: 'listSessions',
    summary: 'Where the user is signed in, last seen first; empty for a token that is of no sign-in',
    auth: 'user',
    answers: { 200: { says: 'All sign-ins that are not over.', schema: http.SessionList } },
    async handle({ token }, { accounts }): Promise<http.SessionList> {
      const sessions = await accounts.sessions(token);
      return { items: sessions.map(({ uid: _, ...session }) => ({ ...session, current: session.sid === token.sid })) };
    },
  },
  {
    method: 'DELETE',
    path: '/v1/me/sessions/{sid}',
    id: 'endSession',
    summary: 'End one sign-in of the user: its tokens are void at once, its live connections close',
    auth: 'user',
    params: SidParams,
    answers: { 204: { says: 'Signed out there.' } },
    problems: ['not_found'],
    async handle(call, { accounts }) {
      const { params } = partsOf<{ params: { sid: string } }>(call);
      await accounts.signOut(call.token.uid, params.sid);
      return call.reply.code(204).send();
    },
  },
  {
    method: 'DELETE',
    path: '/v1/me/sessions',
    id: 'endOtherSessions',
    summary: 'End every sign-in of the user but the one that asks',
    auth: 'user',
    answers: { 204: { says: 'Signed out everywhere else.' } },
    async handle({ token, reply }, { accounts }) {
      await accounts.signOutOthers(token);
      return reply.code(204).send();
    },
  },
];
