import { ERRORS, type ErrorCode, type Retry } from '@gapless/protocol/codes';

/** A failure that has a name: of the protocol, or one of the client itself. */
export class GaplessError extends Error {
  override readonly name = 'GaplessError';
  readonly code: ErrorCode | 'network' | 'timeout' | 'closed';
  /** HTTP status, when it came over HTTP. */
  readonly status?: number;
  readonly retryAfterMs?: number;

  constructor(code: GaplessError['code'], message: string, details: { status?: number; retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.status !== undefined) this.status = details.status;
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
  }
}

/** A code from the wire; one that a newer server invented counts as `internal`. */
export function knownCode(code: unknown): ErrorCode | undefined {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : undefined;
}

/** What to do about a code from the wire; undefined where a newer server invented it. */
export function retryOf(code: unknown): Retry | undefined {
  const known = knownCode(code);
  return known && ERRORS[known].retry;
}
