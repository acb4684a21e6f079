import { ChatError, type Committed, type Replacement, type Typing, type VerifiedToken } from '@gapless/core';
import { TokenBucket, ulid } from '@gapless/kit';
import {
  BAD_FRAMES_MAX,
  BAD_FRAMES_WINDOW_MS,
  CLOSE,
  type CloseReason,
  type Codec,
  ERRORS,
  type ErrorCode,
  FRAMES_BURST,
  FRAMES_PER_SEC,
  JOINS_AT_ONCE,
  parseUpFrame,
  REFUSED_FRAMES_MAX,
  type Ref,
  refOf,
  SYNC_PER_TOKEN,
  type UpFrame,
} from '@gapless/protocol';
import { addressFrames } from './admission.ts';
import type { Authed, Context, GatewayDeps } from './context.ts';
import { Frame } from './frame.ts';
import { authenticate } from './handlers/auth.ts';
import { handlerOf } from './handlers/index.ts';
import { resume } from './handlers/join.ts';
import { Hub } from './hub.ts';
import { Laggards } from './laggards.ts';
import { Notices } from './notices.ts';
import { PresenceWatch } from './presence-watch.ts';
import { publishReceipts } from './receipts.ts';
import { Session, type Transport } from './session.ts';
import type { Place } from './sse/cursor.ts';
import { Strangers } from './strangers.ts';
import { Turns } from './turns.ts';
import { TypingBoard } from './typing-board.ts';
import { SLOTS, Watchdog } from './watchdog.ts';

/** Holds live sessions, turns their frames into use cases, and tells them what was committed. Knows no transport by name. */
export class Gateway {
  readonly hub: Hub;
  readonly sessions = new Set<Session>();
  readonly #context: Context;
  readonly #notices: Notices;
  readonly #watchdog: Watchdog;
  #draining = false;
  #opened = 0;
  readonly #strangers = new Strangers();
  readonly #addresses = addressFrames();

  constructor(deps: GatewayDeps) {
    this.hub = new Hub(deps);
    this.#context = {
      ...deps,
      hub: this.hub,
      typing: new TypingBoard(this.hub, deps.clock, (typing) => deps.others?.typing(typing)),
      laggards: new Laggards(),
      joins: new Turns(JOINS_AT_ONCE, (count) => deps.metrics.joinsWaiting(count)),
      watch: new PresenceWatch({ ...deps, hub: this.hub }),
      replace: (uid, by) => this.#replace(uid, by),
      refuse: (session, code, say) => this.#refuse(session, code, say),
    };
    this.#notices = new Notices({ ...deps, hub: this.hub, everyMs: deps.limits.noticeMs });
    this.#watchdog = new Watchdog(this, deps);
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** What the writer committed. The directory must know it before. */
  publish(committed: Committed): void {
    this.hub.publish(committed);
    publishReceipts(this.hub, this.#context.directory, committed);
    this.#notices.publish(committed);
    for (const entry of committed.entries)
      if (entry.op === 'message') this.#context.typing.heard({ cid: entry.cid, uid: entry.from, on: false });
  }

  /** Someone types on another node. */
  heardTyping(typing: Typing): void {
    this.#context.typing.heard(typing);
  }

  /** A user connected to another node. Ids of connections sort by time: of two that came at once the newer one stays. */
  replaced({ uid, device, conn }: Replacement): void {
    this.#kickOthers(uid, device, (session) => session.conn < conn);
  }

  /** A new connection. It has to authenticate within the limit. */
  open(transport: Transport, ip: string): Session {
    const { clock, rateLimits, metrics } = this.#context;
    const session = new Session({ conn: ulid(clock.now()), transport, ip, now: clock.elapsed(), slot: this.#opened++ % SLOTS });
    if (rateLimits) session.bucket = new TokenBucket({ perSec: FRAMES_PER_SEC, burst: FRAMES_BURST }, clock.elapsed());
    this.sessions.add(session);
    metrics.connectionOpened();
    if (rateLimits && (session.stranger = this.#strangers.admit(ip)) === undefined) this.close(session, 'too_many');
    return session;
  }

  #known(session: Session): void {
    if (session.stranger !== undefined) this.#strangers.release(session.stranger);
    session.stranger = undefined;
  }

  /** One message from the client. Never throws. */
  receive(session: Session, data: Uint8Array, codec: Codec): void {
    session.lastSeenAt = this.#context.clock.elapsed();
    if (session.closed) return;
    let value: unknown;
    try {
      value = codec.decode(data);
    } catch {
      return this.#badFrame(session, `not ${codec.name}`);
    }
    this.handle(session, value);
  }

  /** One decoded frame. */
  handle(session: Session, value: unknown): void {
    const parsed = parseUpFrame(value);
    if (!this.#admit(session, value)) return;
    if (parsed.ok) this.#dispatch(session, parsed.frame);
    else if (parsed.code === 'bad_frame') this.#badFrame(session, parsed.msg, parsed.ref);
    else this.#unknownType(session, parsed.msg, parsed.ref);
  }

  /** Joins where the client's last connection stood, at its own wish: it pays for no frames. */
  resume(session: Session, places: readonly Place[]): void {
    void this.#run(session, { t: 'sync' }, () => resume(this.#context, session as Authed, places));
  }

  /** Verifies a token, of the first frame or of the upgrade. */
  authenticate(session: Session, jwt: string, device?: string): Promise<void> {
    return this.#authenticate(session, () => this.#context.verifier.verify(jwt), device);
  }

  /** The same where another node verified the token, and this is what it found: the token, or why it is none. */
  authenticated(session: Session, verified: VerifiedToken | ChatError, device?: string): Promise<void> {
    return this.#authenticate(
      session,
      () => (verified instanceof ChatError ? Promise.reject(verified) : Promise.resolve(verified)),
      device,
    );
  }

  #authenticate(session: Session, verify: () => Promise<VerifiedToken>, device?: string): Promise<void> {
    const done = (session.authenticating ?? Promise.resolve())
      .then(() => this.#run(session, { t: 'auth' }, () => authenticate(this.#context, session, verify, device)))
      .then(() => {
        if (session.authenticating === done) session.authenticating = undefined;
        if (session.actor === undefined) session.authFailed = true;
        else this.#known(session);
        if (session.actor === undefined || session.closed) return;
        session.onReady?.();
        session.onReady = undefined;
      });
    session.authenticating = done;
    return done;
  }

  error(session: Session, code: ErrorCode, { msg, ref, retryAfterMs }: { msg?: string; ref?: Ref; retryAfterMs?: number } = {}): void {
    if (session.closed) return;
    this.#context.metrics.errorOut(code);
    const frame = {
      t: 'error',
      code,
      msg: msg ?? ERRORS[code].say,
      ...(ref === undefined ? {} : { ref }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
    this.hub.flusher.reply(session, Frame.of(frame));
    // An error is critical: where it cannot be written, the connection says it by ending.
    if (this.hub.flusher.holdsBack(session)) this.closeSlow(session, this.#context.clock.elapsed() - session.blockedAt!);
  }

  /** Ends a connection that does not take what is written to it; its client resumes where it was. */
  closeSlow(session: Session, durationMs: number): void {
    const { uid } = session.actor ?? {};
    this.#context.log.warn({ uid, conn: session.conn, durationMs, bufferedBytes: session.transport.bufferedBytes }, 'slow consumer closed');
    this.#context.laggards.add(session, this.#context.clock.elapsed());
    this.close(session, 'slow_consumer');
    session.transport.terminate();
  }

  /** Ends a session: what is waiting for it alone is written first. */
  close(session: Session, reason: CloseReason): void {
    if (session.closed) return;
    this.hub.flusher.flushNow(session);
    this.#context.metrics.closed(reason);
    session.transport.close(CLOSE[reason].code, CLOSE[reason].say);
    this.#forget(session);
  }

  /** The transport ended by itself. */
  ended(session: Session): void {
    if (!session.closed) this.#context.metrics.closed('client');
    this.#forget(session);
  }

  /** The kernel took bytes of the session that had waited. */
  drained(session: Session): void {
    this.hub.flusher.drained(session);
  }

  /** Signs out live connections: `kick`, then 4403. */
  kick(matches: (session: Session) => boolean, msg: string): void {
    for (const session of this.sessions) if (matches(session)) this.#kick(session, 'signed_out', msg);
  }

  #kick(session: Session, code: string, msg: string): void {
    this.hub.flusher.reply(session, Frame.of({ t: 'kick', code, msg }));
    this.close(session, 'signed_out');
  }

  #replace(uid: string, by: Session): void {
    const { device, conn } = by;
    this.#kickOthers(uid, device, (session) => session !== by);
    this.#context.others?.replaced({ uid, device, conn });
  }

  /** A device that comes back, or that changes its transport, is not elsewhere: its former connection ends by itself. */
  #kickOthers(uid: string, device: string, isOlder: (session: Session) => boolean): void {
    for (const session of [...(this.hub.sessionsOf(uid) ?? [])]) {
      // The app's backend speaks for many, and from several places.
      const backend = session.token?.role === 'admin';
      if (isOlder(session) && session.device !== device && !backend) this.#kick(session, 'replaced', 'You connected from elsewhere.');
    }
  }

  /** Asks every client to reconnect, spread over `spreadMs`, and closes each when its time has come. Resolves when all are gone. */
  async drain({ spreadMs }: { spreadMs: number }): Promise<void> {
    this.#draining = true;
    const { clock } = this.#context;
    await Promise.all(
      [...this.sessions].map(async (session) => {
        const reconnectInMs = Math.floor(Math.random() * spreadMs);
        this.hub.flusher.reply(session, Frame.of({ t: 'goaway', reconnectInMs }));
        this.hub.flusher.flushNow(session);
        await clock.sleep(reconnectInMs);
        this.close(session, 'going_away');
      }),
    );
  }

  stop(): void {
    this.#watchdog.close();
    this.#context.typing.close();
    this.#context.watch.close();
    this.hub.close();
  }

  #dispatch(session: Session, frame: UpFrame): void {
    this.#context.metrics.frameIn(frame.t);
    if (frame.t === 'auth') return void this.authenticate(session, frame.jwt, frame.device);
    if (session.actor === undefined) return this.#beforeAuth(session, () => this.#dispatch(session, frame));
    const handler = handlerOf(frame.t);
    if (handler === undefined) return this.error(session, 'unknown_type', { ref: refOf(frame, frame.t) });
    void this.#run(session, frame, () => handler(this.#context, session as Authed, frame));
  }

  /** Frames sent right behind `auth`, good or bad, wait for its outcome, in their order. */
  #beforeAuth(session: Session, then: () => void): void {
    if (session.authenticating === undefined) return this.#refuse(session, 'unauthorized', 'Authenticate first.');
    void session.authenticating.then(() => {
      if (!session.closed) then();
    });
  }

  /** Runs a handler; what it throws becomes the answer. */
  async #run(session: Session, frame: { t: string }, task: () => void | Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      const known = error instanceof ChatError ? error : new ChatError('internal', { cause: error });
      if (known.code === 'internal') this.#context.log.error({ err: error, frame: frame.t, conn: session.conn }, 'handler failed');
      this.error(session, known.code, {
        msg: known.message,
        ref: refOf(frame, frame.t),
        ...(known.retryAfterMs === undefined ? {} : { retryAfterMs: known.retryAfterMs }),
      });
    }
  }

  /** Takes a token from the buckets of the connection and of its address; a client that goes on regardless is closed. */
  #admit(session: Session, value: unknown): boolean {
    const retryAfterMs = session.bucket === undefined ? 0 : this.#waitOf(session, session.bucket, costOf(value));
    if (retryAfterMs === 0) {
      session.refused = 0;
      return true;
    }
    const t = (value as { t?: unknown } | null)?.t;
    const ref = typeof value === 'object' && value !== null && typeof t === 'string' ? { ref: refOf(value, t.slice(0, 32)) } : {};
    this.error(session, 'rate_limited', { retryAfterMs, ...ref });
    if (++session.refused > REFUSED_FRAMES_MAX) this.close(session, 'too_many');
    return false;
  }

  #waitOf(session: Session, bucket: TokenBucket, cost: number): number {
    const now = this.#context.clock.elapsed();
    const own = bucket.take(now, cost);
    const wait = own === 0 ? this.#addresses.wait(session.block, now, cost) : own;
    if (wait > 0) this.#context.metrics.limited(own > 0 ? 'connection' : 'address');
    return wait;
  }

  #unknownType(session: Session, msg: string, ref?: Ref): void {
    if (session.actor === undefined) return this.#beforeAuth(session, () => this.#unknownType(session, msg, ref));
    this.error(session, 'unknown_type', { msg, ...(ref === undefined ? {} : { ref }) });
  }

  #badFrame(session: Session, msg: string, ref?: Ref): void {
    if (session.actor === undefined) return this.#beforeAuth(session, () => this.#badFrame(session, msg, ref));
    this.error(session, 'bad_frame', { msg, ...(ref === undefined ? {} : { ref }) });
    const now = this.#context.clock.elapsed();
    session.badFrames = session.badFrames.filter((at) => now - at < BAD_FRAMES_WINDOW_MS);
    session.badFrames.push(now);
    if (session.badFrames.length > BAD_FRAMES_MAX) this.close(session, 'protocol_abuse');
  }

  #refuse(session: Session, code: 'unauthorized' | 'token_expired', say?: string): void {
    this.error(session, code, say === undefined ? {} : { msg: say });
    this.close(session, 'unauthorized');
  }

  #forget(session: Session): void {
    if (session.closed) return;
    session.closed = true;
    if (session.blockedAt !== undefined) this.#context.metrics.unblocked();
    this.sessions.delete(session);
    this.#known(session);
    if (session.watching !== undefined) this.#context.watch.unwatch(session, session.watching);
    if (session.actor !== undefined) this.#context.presence.leave(session.actor.uid, session.conn);
    this.hub.removeSession(session);
    this.#context.metrics.connectionClosed();
  }
}

/** Tokens that a frame takes: a `sync` is many joins. */
function costOf(value: unknown): number {
  const { t, convs } = (value ?? {}) as { t?: unknown; convs?: unknown };
  return t === 'sync' && Array.isArray(convs) ? 1 + Math.ceil(convs.length / SYNC_PER_TOKEN) : 1;
}
