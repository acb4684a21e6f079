import { ERRORS, type ErrorCode } from '@gapless/protocol';

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
