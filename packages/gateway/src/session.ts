import { type Actor, addressBlock, type VerifiedToken } from '@gapless/core';
import type { TokenBucket } from '@gapless/kit';
import type { Encoding, Frame, Sendable } from './frame.ts';
import type { Subscription } from './subscription.ts';

/** The raw way to a client, as a session uses it. */
export interface Transport {
  readonly encoding: Encoding;
  /** What its client is told as `conn`, where that is a secret between the two: logs and other users know the session's own. */
  readonly secretConn?: string;
  /** Bytes written and not yet taken by the kernel. */
  readonly bufferedBytes: number;
  /** Bytes that the kernel took so far; more of them is progress. */
  readonly takenBytes: number;
  /** One call is one write to the kernel; the bytes are shared with other connections. */
  write(bytes: Buffer): void;
  /** Asks for `onDrain` once everything buffered was taken. */
  pauseReading(): void;
  resumeReading(): void;
  ping(): void;
  /** Orderly, after what was written; the transport gives up waiting by itself. */
  close(code: number, reason: string): void;
  /** At once. */
  terminate(): void;
}

/** Frames that replace an older one of the same key; `droppable` ones are not kept for a connection that does not read. */
interface Merged {
  frame: Frame;
  droppable: boolean;
}

/** One authenticated live connection of one device. State only; the hub writes, the gateway decides. */
export class Session {
  readonly conn: string;
  readonly transport: Transport;
  readonly ip: string;
  /** Set by `auth`. */
  actor: Actor | undefined;
  token: VerifiedToken | undefined;
  /** The first `auth`, while it is verified and after. */
  authenticating: Promise<void> | undefined;
  /** The last `auth` failed for the server's reasons; the client's own end the session. */
  authFailed = false;
  /** What its address is counted under. */
  readonly block: string;
  /** Address that it is counted under while it did not authenticate. */
  stranger: string | undefined;
  device = '';
  /** Whether the client named it: only then it will come back under this name. */
  deviceNamed = false;
  /** The client pulls large conversations when it is told of news. */
  pulls = false;
  readonly subscriptions = new Map<string, Subscription>();
  watching: Set<string> | undefined;
  /** Absent where rate limits are off. */
  bucket: TokenBucket | undefined;
  refused = 0;
  badFrames: number[] = [];
  readonly openedAt: number;
  lastSeenAt: number;
  /** `token_expired` was told then. */
  expiredAt: number | undefined;
  /** Not writable since then. */
  blockedAt: number | undefined;
  /** What had been taken at the last look while blocked. */
  blockedTaken = 0;
  closed = false;

  /** Frames to this session alone, in order. */
  control: Sendable[] = [];
  merged: Map<string, Merged> | undefined;
  dirty: Subscription[] = [];
  /** Was closed for being slow lately, and has not caught up since. */
  laggard = false;
  /** A page from the store is on its way to it. */
  paging = false;
  /** A position or what is joined changed, and the transport did not tell so yet. */
  moved = false;
  /** Done once, when it authenticated, before frames that wait for that. */
  onReady: (() => void) | undefined;
  /** Joins, syncs and leaves under way: they take effect in their order. */
  joining: Promise<void> | undefined;
  /** Which second of the heartbeat it is pinged in. */
  readonly slot: number;
  /** Stands in the hub's list for the next flush. */
  queued = false;

  constructor(options: { conn: string; transport: Transport; ip: string; now: number; slot: number }) {
    this.conn = options.conn;
    this.transport = options.transport;
    this.ip = options.ip;
    this.block = addressBlock(options.ip);
    this.slot = options.slot;
    this.openedAt = options.now;
    this.lastSeenAt = options.now;
  }
}
