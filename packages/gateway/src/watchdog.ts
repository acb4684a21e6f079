import type { Log, Presence } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { AUTH_TIMEOUT_MS, HEARTBEAT_MS, REAUTH_GRACE_MS, SILENCE_MAX_MS } from '@gapless/protocol';
import type { Gateway } from './gateway.ts';
import type { GatewayLimits } from './limits.ts';
import type { Session } from './session.ts';

const TICK_MS = 1_000;
/** Seconds of a heartbeat. */
export const SLOTS = HEARTBEAT_MS / TICK_MS;

interface WatchdogOptions {
  clock: Clock;
  log: Log;
  limits: GatewayLimits;
  presence: Presence;
}

/**
 * One timer for all connections instead of several per connection: pings, silence, missing or expired tokens, and connections that
 * take nothing. Each second one of fifteen slots is pinged, so that pings are spread.
 */
export class Watchdog {
  readonly #gateway: Gateway;
  readonly #options: WatchdogOptions;
  #tick = 0;
  readonly #stop: () => void;

  constructor(gateway: Gateway, options: WatchdogOptions) {
    this.#gateway = gateway;
    this.#options = options;
    this.#stop = options.clock.every(TICK_MS, () => this.#run());
  }

  close(): void {
    this.#stop();
  }

  #run(): void {
    const now = this.#options.clock.elapsed();
    const slot = this.#tick++ % SLOTS;
    for (const session of this.#gateway.sessions) {
      this.#check(session, now);
      if (session.closed || session.slot !== slot) continue;
      session.transport.ping();
      if (session.actor !== undefined) this.#options.presence.touch(session.actor.uid, session.conn);
    }
  }

  #check(session: Session, now: number): void {
    if (session.actor === undefined) {
      if (now - session.openedAt >= AUTH_TIMEOUT_MS) this.#endStranger(session, now);
    } else if (session.blockedAt === undefined && now - session.lastSeenAt >= SILENCE_MAX_MS) this.#gateway.close(session, 'no_pong');
    else {
      this.#checkExpiry(session, now);
      this.#checkProgress(session, now);
    }
  }

  /** A token that could not be checked, for the store's or the identity provider's reasons, is not called bad. */
  #endStranger(session: Session, now: number): void {
    const checking = session.authenticating !== undefined && now - session.openedAt < 2 * AUTH_TIMEOUT_MS;
    if (checking) return;
    if (session.authFailed || session.authenticating !== undefined) return this.#gateway.close(session, 'going_away');
    this.#gateway.error(session, 'unauthorized', { msg: 'No token in time.' });
    this.#gateway.close(session, 'unauthorized');
  }

  #checkExpiry(session: Session, now: number): void {
    if (session.token === undefined || this.#options.clock.now() < session.token.expiresAt) return;
    if (session.expiredAt === undefined) {
      session.expiredAt = now;
      this.#gateway.error(session, 'token_expired');
    } else if (now - session.expiredAt >= REAUTH_GRACE_MS) this.#gateway.close(session, 'unauthorized');
  }

  /** Nothing was taken since the last look: after the limit the connection is closed; its client resumes where it was. */
  #checkProgress(session: Session, now: number): void {
    if (session.blockedAt === undefined) return;
    const { enabled, closeUnwritableAfterMs } = this.#options.limits.backpressure;
    // Switched off meanwhile: what waits goes out.
    if (!enabled) return this.#gateway.drained(session);
    const { takenBytes } = session.transport;
    if (takenBytes > session.blockedTaken) {
      session.blockedTaken = takenBytes;
      session.blockedAt = now;
      // Its pongs wait unread until it drained; that it takes bytes is a sign of life.
      session.lastSeenAt = now;
    } else if (closeUnwritableAfterMs >= 0 && now - session.blockedAt >= closeUnwritableAfterMs) {
      this.#gateway.closeSlow(session, now - session.blockedAt);
    }
  }
}
