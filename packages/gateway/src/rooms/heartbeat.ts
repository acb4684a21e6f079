import type { Clock } from '@gapless/kit';
import { AUTH_TIMEOUT_MS, REAUTH_GRACE_MS, SILENCE_MAX_MS } from '@gapless/protocol';
import { SLOTS } from '../watchdog.ts';
import type { RoomConnection } from './connection.ts';
import type { Rooms } from './rooms.ts';

const TICK_MS = 1_000;

/** One timer for all connections: pings spread over the heartbeat, silence, and tokens that are missing or have run out. */
export class Heartbeat {
  readonly #rooms: Rooms;
  readonly #clock: Clock;
  #tick = 0;
  readonly close: () => void;

  constructor(rooms: Rooms, clock: Clock) {
    this.#rooms = rooms;
    this.#clock = clock;
    this.close = clock.every(TICK_MS, () => this.#run());
  }

  #run(): void {
    const now = this.#clock.elapsed();
    const slot = this.#tick++ % SLOTS;
    for (const connection of this.#rooms.connections) {
      this.#check(connection, now);
      if (!connection.closed && connection.slot === slot) connection.transport.ping();
    }
  }

  #check(connection: RoomConnection, now: number): void {
    const { actor, token, openedAt, lastSeenAt, inbox } = connection;
    if (actor === undefined) {
      if (now - openedAt < AUTH_TIMEOUT_MS) return;
      // A token that is still being checked, for the store's or the identity provider's reasons, is not called bad.
      if (!inbox.working) this.#rooms.close(connection, 'unauthorized');
      else if (now - openedAt >= 2 * AUTH_TIMEOUT_MS) this.#rooms.close(connection, 'unavailable');
    } else if (now - lastSeenAt >= SILENCE_MAX_MS) this.#rooms.close(connection, 'no_pong');
    else if (token !== undefined && this.#clock.now() >= token.expiresAt + REAUTH_GRACE_MS) this.#rooms.close(connection, 'unauthorized');
  }
}
