import { ChatError } from '@gapless/core';
import { ERRORS } from '@gapless/protocol';

/** Close codes of the dialect. */
export const ROOM_CLOSES = {
  unauthorized: { code: 1008, say: 'unauthorized' },
  queue_overflow: { code: 1013, say: 'send queue overflow' },
  unavailable: { code: 1013, say: 'try again later' },
  internal: { code: 1011, say: 'internal error' },
  going_away: { code: 1001, say: 'server going away' },
  no_pong: { code: 4408, say: 'no sign of life' },
  too_many: { code: 4429, say: 'too many frames or connections' },
} as const;

export type RoomClose = keyof typeof ROOM_CLOSES;

/** Why a connection ends on which a frame failed: the dialect has no error for it. */
export function closeFor(error: unknown): RoomClose {
  if (!(error instanceof ChatError) || error.code === 'internal') return 'internal';
  const { retry } = ERRORS[error.code];
  return retry === 'later' || retry === 'same_mid' ? 'unavailable' : 'unauthorized';
}
