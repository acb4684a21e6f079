import { ChatError, type VerifiedToken } from '@gapless/core';
import { ID_MAX_CHARS } from '@gapless/protocol';

/** Clocks of issuers that are ahead of ours; `exp` has no such grace. */
const SKEW_MS = 60_000;

const NAME_MAX_CHARS = 100;

/** Latest instant a Date can hold. */
const INSTANT_MAX_SEC = 8.64e12;

/** Who made a token, and for whom; what is absent here is not asked. */
export interface Addressed {
  readonly issuer?: string;
  readonly audience?: string;
}

/**
 * The claims of a token whose signature is good.
 * @throws ChatError unauthorized | token_expired
 */
export function readClaims(payload: Uint8Array, nowMs: number, { issuer, audience }: Addressed = {}): VerifiedToken {
  const claims = parse(payload);
  const { sub, exp, iat, nbf, role = 'user', name, sid } = claims;
  if (!isUserId(sub)) refuse('sub');
  if (!isInstant(exp)) refuse('exp');
  if (!isInstant(iat) || iat * 1000 > nowMs + SKEW_MS) refuse('iat');
  if (nbf !== undefined && (!isInstant(nbf) || nbf * 1000 > nowMs + SKEW_MS)) refuse('nbf');
  if (role !== 'user' && role !== 'admin') refuse('role');
  if (name !== undefined && typeof name !== 'string') refuse('name');
  if (sid !== undefined && (typeof sid !== 'string' || sid === '')) refuse('sid');
  if (issuer !== undefined && claims.iss !== issuer) refuse('iss');
  if (audience !== undefined && ![claims.aud].flat().includes(audience)) refuse('aud');
  if (exp * 1000 <= nowMs) throw new ChatError('token_expired');
  const shown = name?.trim().slice(0, NAME_MAX_CHARS).toWellFormed();
  return {
    uid: sub,
    role,
    expiresAt: exp * 1000,
    ...(shown ? { name: shown } : {}),
    ...(sid === undefined ? {} : { sid }),
  };
}

function parse(payload: Uint8Array): Record<string, unknown> {
  try {
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return claims as Record<string, unknown>;
  } catch {}
  return refuse('payload');
}

function refuse(claim: string): never {
  throw new ChatError('unauthorized', { cause: new Error(`claim ${claim} is refused`) });
}

/** Ids are keys in the store and parts of paths: no control characters, no half characters. */
function isUserId(value: unknown): value is string {
  return typeof value === 'string' && value.length >= 1 && value.length <= ID_MAX_CHARS && value.isWellFormed() && !/\p{Cc}/u.test(value);
}

function isInstant(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= INSTANT_MAX_SEC;
}
