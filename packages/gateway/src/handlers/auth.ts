import { ChatError, type VerifiedToken } from '@gapless/core';
import { ulid } from '@gapless/kit';
import { HEARTBEAT_MS } from '@gapless/protocol';
import type { Context } from '../context.ts';
import { Frame } from '../frame.ts';
import type { Session } from '../session.ts';

/** What this server does beyond the base; a feature is announced when it works. */
export const FEATURES = ['msgpack', 'batch', 'resume', 'typing', 'presence', 'receipts', 'sse', 'pull'] as const;

/** First `auth` opens the session; a later one of the same user replaces its token. Anything else is refused and closed. */
export async function authenticate(
  context: Context,
  session: Session,
  verify: () => Promise<VerifiedToken>,
  device: string | undefined,
): Promise<void> {
  try {
    const token = await verify();
    if (session.actor !== undefined && session.actor.uid !== token.uid)
      return context.refuse(session, 'unauthorized', 'The token is of another user.');
    // Before anything is waited for: a sign-out in between finds the session by it.
    session.token = token;
    await context.ensureSeen(token);
    if (session.closed) return;
    session.expiredAt = undefined;
    // One `auth` of a session at a time: the actor that is set here is never another user's later.
    const first = session.actor === undefined;
    session.actor = { uid: token.uid, role: token.role };
    if (first) {
      open(context, session, token.uid, device);
      if (context.singleSession.enabled && token.role !== 'admin') context.replace(token.uid, session);
    }
    context.hub.flusher.reply(session, ready(context, session, token.uid));
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    if (error.code === 'token_expired' || error.code === 'unauthorized') context.refuse(session, error.code, error.message);
    else throw error;
  }
}

function open(context: Context, session: Session, uid: string, device: string | undefined): void {
  session.deviceNamed = device !== undefined;
  session.device = device ?? ulid(context.clock.now());
  session.laggard = context.laggards.has(session, context.clock.elapsed());
  context.hub.addUser(uid, session);
  context.presence.touch(uid, session.conn);
}

function ready(context: Context, session: Session, userId: string): Frame {
  return Frame.of({
    t: 'ready',
    userId,
    device: session.device,
    conn: session.transport.secretConn ?? session.conn,
    serverTs: context.clock.now(),
    heartbeatMs: HEARTBEAT_MS,
    features: FEATURES,
  });
}
