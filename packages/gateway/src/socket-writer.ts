import type { Socket } from 'node:net';

/** Handed to the socket at once while it is slow: small enough that a reader's progress shows, large enough to be few calls. */
const SLICE_BYTES = 16 * 1024;

const NOTHING = Buffer.alloc(0);

/**
 * Writes to a socket. What the kernel takes goes straight through; what it does not take waits here and goes on in slices, so that the
 * number of unsent bytes is true while a slow reader takes them. Handed to the socket whole, a large write would show no progress
 * until its last byte.
 */
export class SocketWriter {
  readonly #socket: Socket;
  readonly #onTaken: () => void;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writtenBytes = 0;
  /** Asked the socket to tell when it is empty. */
  #armed = false;

  /** `onTaken`: bytes that had to wait were taken. */
  constructor(socket: Socket, onTaken: () => void) {
    this.#socket = socket;
    this.#onTaken = onTaken;
  }

  /** Bytes that the kernel has not taken. */
  get unsentBytes(): number {
    return this.#socket.writableLength + this.#waitingBytes;
  }

  /** Bytes that it took so far. */
  get takenBytes(): number {
    return this.#writtenBytes - this.unsentBytes;
  }

  write(bytes: Buffer): void {
    this.#writtenBytes += bytes.length;
    if (this.#waitingBytes === 0 && this.#socket.writableLength === 0 && bytes.length <= SLICE_BYTES) {
      this.#socket.write(bytes);
      if (this.#socket.writableLength > 0) this.#arm();
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (!this.#armed) this.#pump();
  }

  /** Hands over everything that waits, in front of what someone else writes to the socket next. */
  handOver(): void {
    for (const bytes of this.#waiting) this.#socket.write(bytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #pump(): void {
    while (this.#waitingBytes > 0 && this.#socket.writableLength === 0) this.#socket.write(this.#slice());
    if (this.#socket.writableLength > 0) this.#arm();
  }

  /** Small writes together, large ones in parts. */
  #slice(): Buffer {
    const first = this.#waiting[0]!;
    if (first.length > SLICE_BYTES) {
      this.#waiting[0] = first.subarray(SLICE_BYTES);
      this.#waitingBytes -= SLICE_BYTES;
      return first.subarray(0, SLICE_BYTES);
    }
    let count = 0;
    let bytes = 0;
    while (count < this.#waiting.length && bytes + this.#waiting[count]!.length <= SLICE_BYTES) bytes += this.#waiting[count++]!.length;
    const taken = this.#waiting.splice(0, count);
    this.#waitingBytes -= bytes;
    return count === 1 ? first : Buffer.concat(taken);
  }

  /** An empty write comes through behind all the rest. */
  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#socket.write(NOTHING, (error) => {
      this.#armed = false;
      if (error) return;
      this.#pump();
      this.#onTaken();
    });
  }
}
