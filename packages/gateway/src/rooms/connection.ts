import type { Actor, VerifiedToken } from '@gapless/core';
import type { TokenBucket } from '@gapless/kit';
import type { Channel } from './channels.ts';
import type { SendQueue, Sink } from './send-queue.ts';

/** The raw way to a client, as rooms use it. */
export interface RoomTransport extends Sink {
  pauseReading(): void;
  resumeReading(): void;
  ping(): void;
  /** Orderly, after what was written; the transport gives up waiting by itself. */
  close(code: number, reason: string): void;
}

/** One live connection. State only: rooms.ts decides. */
export class RoomConnection {
  readonly transport: RoomTransport;
  readonly queue: SendQueue;
  /** Set when its token was found good. */
  actor: Actor | undefined;
  token: VerifiedToken | undefined;
  /** What it joined, by name. */
  readonly rooms = new Map<string, Channel>();
  /** Where frames to its user come in. */
  own: Channel | undefined;
  /** Absent where rate limits are off. */
  bucket: TokenBucket | undefined;
  /** What it sent and is not handled yet: one at a time, in order. */
  inbox: (() => Promise<void>)[] = [];
  working = false;
  /** Nothing is read from it until what it sent was handled. */
  paused = false;
  readonly openedAt: number;
  lastSeenAt: number;
  /** Which second of the heartbeat it is pinged in. */
  readonly slot: number;
  closed = false;

  constructor(options: { transport: RoomTransport; queue: SendQueue; now: number; slot: number }) {
    this.transport = options.transport;
    this.queue = options.queue;
    this.openedAt = options.now;
    this.lastSeenAt = options.now;
    this.slot = options.slot;
  }
}

export type Joined = RoomConnection & { actor: Actor };
