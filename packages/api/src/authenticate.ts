import { type Accounts, ChatError, type TokenVerifier, type VerifiedToken } from '@gapless/core';
import type { FastifyRequest } from 'fastify';
import type { Admit, Route } from './route.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on routes with auth, before the body is read. */
    token: VerifiedToken | null;
  }
}

/** Checks the bearer token of a request to `route`, and sees to it that its user exists. */
export async function authenticate(
  request: FastifyRequest,
  route: Route,
  { verifier, accounts, admit }: { verifier: TokenVerifier; accounts: Accounts; admit?: Admit },
): Promise<void> {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer === undefined) throw new ChatError('unauthorized');
  const token = await verifier.verify(bearer);
  request.token = token;
  if (route.auth === 'admin' && token.role !== 'admin') throw new ChatError('forbidden');
  admit?.({ uid: token.uid, role: token.role, ip: request.ip, operation: route.id });
  await accounts.ensureSeen(token);
}
