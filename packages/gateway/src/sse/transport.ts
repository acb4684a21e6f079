import type { Socket } from 'node:net';
import type { Clock } from '@gapless/kit';
import { ENCODING } from '../frame.ts';
import type { Gateway } from '../gateway.ts';
import type { Session, Transport } from '../session.ts';
import { SocketWriter } from '../socket-writer.ts';
import { cursorOf } from './cursor.ts';

/** How long a peer may take to take the rest of a closed stream. */
const CLOSE_TIMEOUT_MS = 2_000;

const LINE_END = 1;

export interface SseTransportOptions {
  gateway: Gateway;
  clock: Clock;
  socket: Socket;
  conn: string;
  /** Before clients come back by themselves. */
  retryMs: number;
}

/**
 * One stream of events. A frame is an event without a name, so that browsers hand it to `onmessage`; what is no frame has one. The last
 * event of a write that moved a position carries the cursor.
 */
export class SseTransport implements Transport {
  readonly encoding = ENCODING.sse;
  readonly secretConn: string;
  /** Up frames are not taken: the client does not read its answers. */
  paused = false;
  /** Its client has pinged: from then on it is alive while it says so. */
  pings = false;
  session: Session | undefined;
  readonly #options: SseTransportOptions;
  readonly #writer: SocketWriter;
  #closed = false;

  constructor(options: SseTransportOptions) {
    const { socket, conn, retryMs } = options;
    this.#options = options;
    this.secretConn = conn;
    this.#writer = new SocketWriter(socket, () => this.#taken());
    this.#event('conn', { t: 'conn', conn }, `retry: ${retryMs}\n\n`);
  }

  get bufferedBytes(): number {
    return this.#writer.unsentBytes;
  }

  get takenBytes(): number {
    return this.#writer.takenBytes;
  }

  write(bytes: Buffer): void {
    if (this.#closed) return;
    const { session } = this;
    // A `joined` that waits is not in this write: the cursor comes with it.
    if (session === undefined || !session.moved || session.control.length > 0) return this.#writer.write(bytes);
    session.moved = false;
    const id = `id: ${cursorOf(session)}\n\n`;
    this.#writer.write(Buffer.concat([bytes.subarray(0, bytes.length - LINE_END), Buffer.from(id)]));
  }

  pauseReading(): void {
    this.paused = true;
  }

  resumeReading(): void {
    this.paused = false;
  }

  ping(): void {
    if (!this.paused) this.#event('ping', { t: 'ping', serverTs: this.#options.clock.now() });
    // What the kernel takes is a sign of life, of clients that give no other.
    if (this.bufferedBytes === 0) this.#seen();
  }

  close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#event('close', { t: 'close', code, reason });
    this.#closed = true;
    const { socket, clock } = this.#options;
    this.#writer.handOver();
    socket.end();
    socket.once(
      'close',
      clock.after(CLOSE_TIMEOUT_MS, () => socket.destroy()),
    );
  }

  terminate(): void {
    this.#closed = true;
    this.#options.socket.destroy();
  }

  #event(name: string, data: object, after = ''): void {
    if (!this.#closed) this.#writer.write(Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n${after}`));
  }

  #taken(): void {
    if (this.session === undefined || this.session.closed) return;
    this.#seen();
    this.#options.gateway.drained(this.session);
  }

  #seen(): void {
    if (this.session !== undefined && !this.pings) this.session.lastSeenAt = this.#options.clock.elapsed();
  }
}
