import { ChatError, type TokenVerifier, type VerifiedToken } from '@gapless/core';
import { type ErrorCode, parseUpFrame } from '@gapless/protocol';
import type { Gateway } from '../gateway.ts';
import type { Session } from '../session.ts';

/** A frame on its way to the node of its stream. Tokens stay on the node that they reached: what travels is what was found of them. */
export type ForwardedFrame =
  | { readonly frame: unknown }
  | { readonly token: VerifiedToken; readonly device?: string }
  | { readonly refused: { readonly code: ErrorCode; readonly msg: string } };

/** Frames that reached another node than their stream. */
export interface Forwarded {
  readonly t: 'frames';
  readonly conn: string;
  readonly frames: readonly ForwardedFrame[];
  /** Of the token that came with the request. */
  readonly uid?: string;
}

export function forward(frames: readonly unknown[], verifier: TokenVerifier): Promise<ForwardedFrame[]> {
  return Promise.all(frames.map((frame) => forwardOne(frame, verifier)));
}

async function forwardOne(frame: unknown, verifier: TokenVerifier): Promise<ForwardedFrame> {
  if ((frame as { t?: unknown } | null)?.t !== 'auth') return { frame };
  const parsed = parseUpFrame(frame);
  // Malformed; the other node says so.
  if (!parsed.ok || parsed.frame.t !== 'auth') return { frame: { t: 'auth' } };
  const { jwt, device } = parsed.frame;
  try {
    return { token: await verifier.verify(jwt), ...(device === undefined ? {} : { device }) };
  } catch (error) {
    const { code, message } = error instanceof ChatError ? error : new ChatError('internal');
    return { refused: { code, msg: message } };
  }
}

/** Hands a frame in that another node forwarded. */
export function takeForwarded(gateway: Gateway, session: Session, forwarded: ForwardedFrame): void {
  if ('token' in forwarded) void gateway.authenticated(session, forwarded.token, forwarded.device);
  else if ('refused' in forwarded)
    void gateway.authenticated(session, new ChatError(forwarded.refused.code, { say: forwarded.refused.msg }));
  else gateway.handle(session, forwarded.frame);
}
