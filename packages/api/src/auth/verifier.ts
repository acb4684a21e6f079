import { createSecretKey } from 'node:crypto';
import { ChatError, type TokenVerifier, type VerifiedToken } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { type CompactVerifyResult, compactVerify, createRemoteJWKSet, decodeProtectedHeader } from 'jose';
import { readClaims } from './claims.ts';

export interface VerifierOptions {
  /** Of HS256 tokens: the local accounts' and the app backend's. */
  secret: string;
  /** Keys of RS256, ES256 and EdDSA tokens; absent: such tokens are refused. */
  jwksUrl?: string;
  clock: Clock;
  isRevoked(sid: string): boolean;
}

/** Larger tokens are refused unread. */
const TOKEN_MAX_BYTES = 8_192;

/** Strict base64url: the decoder beneath would also take padding and other alphabets, one token in many spellings. */
const TOKEN_SHAPE = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const PUBLIC_KEY_ALGORITHMS: readonly string[] = ['RS256', 'ES256', 'EdDSA'];

/** Header fields that name or carry a key, or change what is signed: the sender must not choose either. */
const REFUSED_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit'];

const JWKS_TIMEOUT_MS = 3_000;

/**
 * Checks JWTs. Each algorithm belongs to exactly one source of keys, so a public key can never serve as an HMAC secret.
 */
export function createTokenVerifier({ secret, jwksUrl, clock, isRevoked }: VerifierOptions): TokenVerifier {
  const secretKey = createSecretKey(Buffer.from(secret));
  const publicKeys = jwksUrl === undefined ? undefined : createRemoteJWKSet(new URL(jwksUrl), { timeoutDuration: JWKS_TIMEOUT_MS });

  async function checkSignature(token: string): Promise<CompactVerifyResult> {
    const header = decodeProtectedHeader(token);
    for (const name of REFUSED_HEADERS) if (name in header) throw new Error(`header ${name} is refused`);
    if (header.alg === 'HS256') return compactVerify(token, secretKey, { algorithms: ['HS256'] });
    if (publicKeys === undefined || !PUBLIC_KEY_ALGORITHMS.includes(header.alg ?? '')) throw new Error('algorithm is refused');
    return compactVerify(token, publicKeys, { algorithms: [header.alg!] });
  }

  return {
    async verify(token): Promise<VerifiedToken> {
      if (token.length > TOKEN_MAX_BYTES || !TOKEN_SHAPE.test(token)) throw new ChatError('unauthorized');
      const { payload } = await checkSignature(token).catch((cause: unknown) => {
        throw new ChatError('unauthorized', { cause });
      });
      const verified = readClaims(payload, clock.now());
      if (verified.sid !== undefined && isRevoked(verified.sid)) throw new ChatError('unauthorized');
      return verified;
    },
  };
}
