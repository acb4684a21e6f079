import type { Actor, VerifiedToken } from '@gapless/core';
import type { TokenBucket } from '@gapless/kit';
import type { Channel } from './channels.ts';
import type { Inbox } from './inbox.ts';
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
  readonly inbox: Inbox;
  /** Set when its token was found good. */
  actor: Actor | undefined;
  token: VerifiedToken | undefined;
  /** The address it is counted under until it authenticated. */
  stranger: string | undefined;
  /** What it joined, by name. */
  readonly rooms = new Map<string, Channel>();
  /** Where frames to its user come in. */
  own: Channel | undefined;
  /** Absent where rate limits are off. */
  bucket: TokenBucket | undefined;
  readonly openedAt: number;
  lastSeenAt: number;
  /** Which second of the heartbeat it is pinged in. */
  readonly slot: number;
  closed = false;

  constructor(options: { transport: RoomTransport; queue: SendQueue; inbox: Inbox; now: number; slot: number }) {
    this.transport = options.transport;
    this.queue = options.queue;
    this.inbox = options.inbox;
    this.openedAt = options.now;
    this.lastSeenAt = options.now;
    this.slot = options.slot;
  }
}

export type Joined = RoomConnection & { actor: Actor };
