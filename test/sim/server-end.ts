import type { Line } from './line.ts';
import type { ServerNode } from './node.ts';

/** Of a frame of less than 126 bytes. */
const HEADER_BYTES = 2;

/** What the gateway takes for a transport. */
export class ServerEnd {
  /** JSON, several of a conversation in an array. */
  readonly encoding = 1;
  readonly #line: Line;
  readonly #node: ServerNode;
  readonly #session;
  #over = false;
  #writtenBytes = 0;
  #arrivedBytes = 0;
  #reading = true;
  #unread: string[] = [];

  constructor(line: Line, node: ServerNode) {
    this.#line = line;
    this.#node = node;
    this.#session = node.gateway.open(this, `10.0.${line.reader.process.id >> 8}.${line.reader.process.id & 255}`);
    this.#session.pulls = true;
  }

  /** The kernels hold some; what they do not take waits. */
  get bufferedBytes(): number {
    return Math.max(0, this.#writtenBytes - this.#arrivedBytes - this.#line.network.state.kernelBytes);
  }

  get takenBytes(): number {
    return this.#writtenBytes - this.bufferedBytes;
  }

  write(bytes: Buffer): void {
    if (this.#over) return;
    this.#writtenBytes += bytes.length;
    this.#line.sendDown(unpack(bytes), bytes.length);
  }

  /** Of bytes that were under way, so many arrived: some that waited here are taken. */
  taken(bytes: number): void {
    const waited = this.bufferedBytes > 0;
    this.#arrivedBytes += bytes;
    if (!waited) return;
    this.#line.world.in(this.#node.process, 0, () => {
      if (!this.#over) this.#node.gateway.drained(this.#session);
    });
  }

  take(text: string): void {
    if (this.#over) return;
    if (this.#reading) this.#node.receive(this.#session, text);
    else this.#unread.push(text);
  }

  seen(): void {
    if (this.#reading) this.#session.lastSeenAt = this.#line.world.timeOf(this.#node.process);
  }

  pauseReading(): void {
    this.#reading = false;
  }

  resumeReading(): void {
    this.#reading = true;
    this.#line.world.in(this.#node.process, 0, () => {
      while (this.#reading && this.#unread.length > 0) this.take(this.#unread.shift()!);
    });
  }

  ping(): void {
    if (!this.#over) this.#line.ping();
  }

  close(code: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#line.closeDown(code);
  }

  terminate(): void {
    this.close(1006);
  }

  ended(): void {
    if (this.#over) return;
    this.#over = true;
    this.#node.gateway.ended(this.#session);
  }
}

/** The texts in one write: several WebSocket messages may be in it. */
function unpack(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    let length = bytes[at + 1]!;
    let start = at + HEADER_BYTES;
    if (length === 126) {
      length = bytes.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(start));
      start += 8;
    }
    texts.push(bytes.toString('utf8', start, start + length));
    at = start + length;
  }
  return texts;
}
