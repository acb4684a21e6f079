import { ERRORS, type ErrorCode } from '@gapless/protocol';
import type { Outcome } from './ports/store.ts';

/** Before a command is tried again whose rights, or whose road, changed again and again. */
const RETRY_MS = 1_000;

export interface ChatErrorOptions {
  /** Said to the client; the table's text when absent. Never holds secrets or other users' data. */
  say?: string;
  retryAfterMs?: number;
  /** For the log only. */
  cause?: unknown;
}

/** The one error class: its code reaches the client, its cause only the log. */
export class ChatError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, options: ChatErrorOptions = {}) {
    super(options.say ?? ERRORS[code].say, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ChatError';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  get http(): number {
    return ERRORS[this.code].http;
  }
}

/** What a command's caller is told. */
export function outcomeError(outcome: Outcome & { ok: false }): ChatError {
  const { code, say } = outcome;
  switch (code) {
    case 'stale':
    case 'accepting':
    case 'over':
    case 'ahead':
    case 'twice':
      return new ChatError('server_busy', { retryAfterMs: RETRY_MS });
    default:
      return new ChatError(code, say === undefined ? {} : { say });
  }
}
