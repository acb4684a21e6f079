/** What a client does about an error. */
export type Retry = 'never' | 'later' | 'same_mid' | 'new_token';

export interface ErrorRow {
  /** Status of the same error over HTTP. */
  readonly http: number;
  readonly retry: Retry;
  /** Said to the client where nothing more exact is known. */
  readonly say: string;
}

/** Every error code of the protocol. docs/reference/errors.md is made from this table. */
export const ERRORS = {
  bad_frame: { http: 400, retry: 'never', say: 'The frame does not fit its schema.' },
  unknown_type: { http: 400, retry: 'never', say: 'This type of frame is not known.' },
  unknown_user: { http: 400, retry: 'never', say: 'A named participant does not exist.' },
  unauthorized: { http: 401, retry: 'new_token', say: 'No, bad or revoked token.' },
  token_expired: { http: 401, retry: 'new_token', say: 'The token has expired.' },
  forbidden: { http: 403, retry: 'never', say: 'Your role does not allow this.' },
  not_participant: { http: 403, retry: 'never', say: 'You are not in this conversation.' },
  muted: { http: 403, retry: 'never', say: 'You may not speak here.' },
  blocked: { http: 403, retry: 'never', say: 'The other side blocked you.' },
  not_found: { http: 404, retry: 'never', say: 'There is nothing here.' },
  mid_conflict: { http: 409, retry: 'never', say: 'This mid was used for another message.' },
  username_taken: { http: 409, retry: 'never', say: 'This user name is taken.' },
  too_large: { http: 413, retry: 'never', say: 'The body is too large.' },
  rate_limited: { http: 429, retry: 'later', say: 'Too many requests, wait a moment.' },
  internal: { http: 500, retry: 'same_mid', say: 'The server made a mistake; it was logged.' },
  server_busy: { http: 503, retry: 'later', say: 'The write queue is full; nothing was stored.' },
  store_unavailable: { http: 503, retry: 'same_mid', say: 'The outcome is unknown; send again with the same mid.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export type Reconnect = 'now' | 'later' | 'new_token' | 'never';

export interface CloseRow {
  readonly code: number;
  /** What the SDK does next. */
  readonly reconnect: Reconnect;
  readonly say: string;
}

/** Every close code the server uses. */
export const CLOSE = {
  going_away: { code: 1001, reconnect: 'now', say: 'server going away' },
  frame_too_large: { code: 1009, reconnect: 'never', say: 'frame too large' },
  queue_overflow: { code: 1013, reconnect: 'later', say: 'send queue overflow' },
  protocol_abuse: { code: 4400, reconnect: 'never', say: 'too many bad frames' },
  unauthorized: { code: 4401, reconnect: 'new_token', say: 'unauthorized' },
  signed_out: { code: 4403, reconnect: 'never', say: 'banned or signed out' },
  no_pong: { code: 4408, reconnect: 'now', say: 'no sign of life' },
  slow_consumer: { code: 4409, reconnect: 'now', say: 'no progress for too long' },
  too_many: { code: 4429, reconnect: 'later', say: 'too many connections or frames' },
} as const satisfies Record<string, CloseRow>;

export type CloseReason = keyof typeof CLOSE;
