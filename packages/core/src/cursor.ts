import { ChatError } from './errors.ts';

export interface PageCursor {
  updatedAt: number;
  cid: string;
}

/** Opaque to clients; says nothing that they were not told. */
export function encodeCursor({ updatedAt, cid }: PageCursor): string {
  return Buffer.from(JSON.stringify([updatedAt, cid])).toString('base64url');
}

/** @throws ChatError bad_frame */
export function decodeCursor(text: string): PageCursor {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (Array.isArray(value) && Number.isSafeInteger(value[0]) && typeof value[1] === 'string')
      return { updatedAt: value[0], cid: value[1] };
  } catch {
    // Falls through: not one of ours.
  }
  throw new ChatError('bad_frame', { say: 'cursor: not one that was given out' });
}
