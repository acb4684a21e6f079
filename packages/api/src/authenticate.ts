import { type Accounts, ChatError, type TokenVerifier, type VerifiedToken } from '@gapless/core';
import type { FastifyRequest } from 'fastify';
import type { Route } from './route.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on routes with auth, before the body is read. */
    token: VerifiedToken | null;
  }
}

/** Checks the bearer token of a request to `route`, and sees to it that its user exists. */
export async function authenticate(
  request: FastifyRequest,
  { auth }: Route,
  { verifier, accounts }: { verifier: TokenVerifier; accounts: Accounts },
): Promise<void> {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (bearer === undefined) throw new ChatError('unauthorized');
  const token = await verifier.verify(bearer);
  if (auth === 'admin' && token.role !== 'admin') throw new ChatError('forbidden');
  await accounts.ensureSeen(token);
  request.token = token;
}
