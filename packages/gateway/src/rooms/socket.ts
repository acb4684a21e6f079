import { systemClock } from '@gapless/kit';
import { acceptAs, LiveSocket } from '../live-socket.ts';
import { type Endpoint, tokenOf, type Upgrade } from '../upgrade.ts';
import type { RoomConnection, RoomTransport } from './connection.ts';
import type { Rooms } from './rooms.ts';

/** The rooms dialect on WebSockets. */
export function roomsEndpoint(rooms: Rooms, path = '/api/v1/ws'): Endpoint {
  const accept = acceptAs(RoomSocket, () => false);
  return {
    path,
    get size() {
      return rooms.connections.size;
    },
    get draining() {
      return rooms.draining;
    },
    accept: (upgrade) => accept(upgrade, (socket) => socket.start(rooms, upgrade)),
  };
}

/** The rest waits in the send queue, where its policy holds. */
const UNSENT_MAX_BYTES = 16 * 1024;

class RoomSocket extends LiveSocket implements RoomTransport {
  #rooms!: Rooms;
  #connection!: RoomConnection;

  start(rooms: Rooms, upgrade: Upgrade): void {
    this.#rooms = rooms;
    this.attach(upgrade.request);
    this.#connection = rooms.open(this, upgrade.ip);
    const token = tokenOf(upgrade);
    if (token !== null) rooms.authenticate(this.#connection, token);
  }

  receive(data: Buffer, binary: boolean): void {
    // The dialect is text; what is not is no JSON, like nothing at all.
    this.#rooms.receive(this.#connection, binary ? NOTHING : data);
  }

  seen(): void {
    this.#connection.lastSeenAt = systemClock.elapsed();
  }

  ended(): void {
    this.#rooms.ended(this.#connection);
  }

  drained(): void {
    this.#rooms.drained(this.#connection);
  }

  get writable(): boolean {
    return this.readyState === this.OPEN && this.bufferedBytes < UNSENT_MAX_BYTES;
  }
}

const NOTHING = Buffer.alloc(0);
