import { openMemoryBroker } from '@gapless/adapters/broker/memory';
import { type Broker, ChatError, silentLog, type VerifiedToken } from '@gapless/core';
import { FakeClock, settled } from '@gapless/testkit';
import type { RoomTransport } from './connection.ts';
import { openPolicy, type RoomPolicy } from './policy.ts';
import { Rooms, type RoomsDeps } from './rooms.ts';

// For tests only: rooms over the memory broker, a clock that is driven by hand, and connections without a network.

export interface Said {
  type: string;
  room: string | null;
  data: Record<string, unknown>;
  ts: string;
  sender_id: string | null;
}

export class FakeRoomTransport implements RoomTransport {
  readonly frames: Said[] = [];
  writable = true;
  reading = true;
  pings = 0;
  closedWith: number | undefined;

  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      let length = bytes[at + 1]!;
      at += 2;
      if (length === 126) {
        length = bytes.readUInt16BE(at);
        at += 2;
      }
      this.frames.push(JSON.parse(bytes.toString('utf8', at, at + length)));
      at += length;
    }
  }

  pauseReading(): void {
    this.reading = false;
  }

  resumeReading(): void {
    this.reading = true;
  }

  ping(): void {
    this.pings++;
  }

  close(code: number): void {
    this.closedWith ??= code;
  }
}

export interface RoomsOptions {
  policy?: RoomPolicy;
  queue?: RoomsDeps['queue'];
  rateLimits?: boolean;
  /** Tokens are never found good or bad. */
  verifierHangs?: boolean;
  /** Several nodes share one. */
  broker?: Broker;
  clock?: FakeClock;
}

export function startRooms({
  policy = openPolicy,
  queue = { max: 100, overflow: 'drop_oldest' },
  rateLimits = false,
  verifierHangs = false,
  broker = openMemoryBroker(),
  clock = new FakeClock(),
}: RoomsOptions = {}) {
  const counts: Record<string, number> = {};
  const count = (name: string, by = 1) => (counts[name] = (counts[name] ?? 0) + by);
  const tokens = new Map<string, VerifiedToken>();
  const rooms = new Rooms({
    broker,
    verifier: {
      async verify(token) {
        if (verifierHangs) await new Promise(() => {});
        const found = tokens.get(token);
        if (found === undefined) throw new ChatError('unauthorized');
        return found;
      },
    },
    ensureSeen: async () => {},
    policy,
    queue,
    clock,
    log: silentLog,
    metrics: {
      connectionOpened: () => count('connections'),
      connectionClosed: (reason) => count(`closed ${reason}`),
      joined: () => count('joined'),
      left: () => count('joined', -1),
      frameIn: (type) => count(`in ${type}`),
      delivered: (messages) => count('out', messages),
      dropped: (by) => count(`dropped ${by}`),
      errorOut: (message) => count(message),
    },
    rateLimits,
  });

  function token(uid: string, { role = 'user' as 'user' | 'admin', lifeMs = 3_600_000 } = {}): string {
    const text = `${uid}-${tokens.size}`;
    tokens.set(text, { uid, role, expiresAt: clock.now() + lifeMs });
    return text;
  }

  function open(ip = '192.0.2.1') {
    const transport = new FakeRoomTransport();
    const connection = rooms.open(transport, ip);
    return {
      transport,
      connection,
      frames: transport.frames,
      of: (type: string) => transport.frames.filter((frame) => frame.type === type),
      raw(data: Uint8Array | string): void {
        rooms.receive(connection, Buffer.from(data));
      },
      /** Resolves when the frames and what they led to are done. */
      async send(...frames: unknown[]): Promise<void> {
        for (const frame of frames) rooms.receive(connection, Buffer.from(JSON.stringify(frame)));
        await settled();
      },
      async drain(): Promise<void> {
        transport.writable = true;
        rooms.drained(connection);
        await settled();
      },
      async end(): Promise<void> {
        rooms.ended(connection);
        await settled();
      },
    };
  }

  return {
    rooms,
    clock,
    broker,
    counts,
    token,
    open,
    async connect(uid: string, options?: Parameters<typeof token>[1]) {
      const client = open();
      await client.send({ t: 'auth', jwt: token(uid, options) });
      return client;
    },
  };
}
