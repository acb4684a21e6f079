import { createSecretKey, randomUUID } from 'node:crypto';
import type { TokenSigner } from '@gapless/core';
import { SignJWT } from 'jose';

/** Signs access tokens of local accounts: HS256 with the server's own secret. */
export function createTokenSigner({ secret }: { secret: string }): TokenSigner {
  const key = createSecretKey(Buffer.from(secret));
  return {
    sign: ({ uid, sid, name, at, expiresAt }) =>
      new SignJWT({ sid, name })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setSubject(uid)
        .setIssuedAt(Math.floor(at / 1000))
        .setExpirationTime(Math.floor(expiresAt / 1000))
        .setJti(randomUUID())
        .sign(key),
  };
}
