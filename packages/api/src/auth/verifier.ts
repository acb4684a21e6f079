import { createSecretKey } from 'node:crypto';
import { ChatError, type TokenVerifier, type VerifiedToken } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { type CompactVerifyGetKey, type CompactVerifyResult, compactVerify, createRemoteJWKSet, decodeProtectedHeader, errors } from 'jose';
import { type Addressed, readClaims } from './claims.ts';

export interface VerifierOptions {
  /** Of HS256 tokens: the local accounts' and the app backend's. */
  secret: string;
  /** Keys of RS256, ES256 and EdDSA tokens; absent: such tokens are refused. */
  jwksUrl?: string;
  /** What those must say of themselves, for an issuer that serves other apps too. HS256 tokens need not: nobody else has the secret. */
  addressed?: Addressed;
  clock: Clock;
  isRevoked(sid: string): boolean;
}

/** Larger tokens are refused unread. */
const TOKEN_MAX_BYTES = 8_192;

/** Strict base64url: the decoder beneath would also take padding and other alphabets, one token in many spellings. */
const TOKEN_SHAPE = /^[\w-]+\.[\w-]+\.[\w-]+$/;

const PUBLIC_KEY_ALGORITHMS: readonly string[] = ['RS256', 'ES256', 'EdDSA'];

/** Header fields that name or carry a key, or change what is signed: the sender must not choose either. */
const REFUSED_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'zip'];

/** Other JWTs of the same issuer (of a sign-out, of a proof …) are no access tokens. */
const TYPES: readonly string[] = ['jwt', 'at+jwt', 'application/at+jwt'];

const JWKS_TIMEOUT_MS = 3_000;
const JWKS_RETRY_MS = 5_000;

/** The keys are there, and none is this token's. */
const NO_SUCH_KEY = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys, errors.JOSENotSupported] as const;

/**
 * Checks JWTs. Each algorithm belongs to exactly one source of keys, so a public key can never serve as an HMAC secret.
 * Keys come from the secret and the configured URL alone; a `kid` only chooses among those of the URL.
 */
export function createTokenVerifier({ secret, jwksUrl, addressed, clock, isRevoked }: VerifierOptions): TokenVerifier {
  const secretKey = createSecretKey(Buffer.from(secret));
  const publicKeys = jwksUrl === undefined ? undefined : remoteKeys(new URL(jwksUrl));

  async function checkSignature(token: string): Promise<CompactVerifyResult> {
    const header = decodeProtectedHeader(token);
    for (const name of REFUSED_HEADERS) if (name in header) throw new Error(`header ${name} is refused`);
    if (header.typ !== undefined && !TYPES.includes(String(header.typ).toLowerCase())) throw new Error('header typ is refused');
    if (header.alg === 'HS256') return compactVerify(token, secretKey, { algorithms: ['HS256'] });
    if (publicKeys === undefined || !PUBLIC_KEY_ALGORITHMS.includes(header.alg ?? '')) throw new Error('algorithm is refused');
    return compactVerify(token, publicKeys, { algorithms: [header.alg!] });
  }

  return {
    async verify(token): Promise<VerifiedToken> {
      if (token.length > TOKEN_MAX_BYTES || !TOKEN_SHAPE.test(token)) throw refused(new Error('not the shape of a token'));
      const { payload, protectedHeader } = await checkSignature(token).catch((cause: unknown) => {
        throw cause instanceof ChatError ? cause : refused(cause);
      });
      const verified = readClaims(payload, clock.now(), protectedHeader.alg === 'HS256' ? undefined : addressed);
      if (verified.sid !== undefined && isRevoked(verified.sid)) throw refused(new Error('signed out'));
      return verified;
    },
  };
}

function refused(cause: unknown): ChatError {
  return new ChatError('unauthorized', { cause });
}

/** While the keys cannot be fetched nobody knows whether a token is good: it is not let in, and not called bad. */
function remoteKeys(url: URL): CompactVerifyGetKey {
  const keys = createRemoteJWKSet(url, { timeoutDuration: JWKS_TIMEOUT_MS });
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (cause) {
      if (NO_SUCH_KEY.some((kind) => cause instanceof kind)) throw cause;
      throw new ChatError('server_busy', { say: 'The keys to check this token cannot be had now.', retryAfterMs: JWKS_RETRY_MS, cause });
    }
  };
}
