import { connect, type Socket } from 'node:net';

export interface RawFrame {
  fin?: boolean;
  /** RSV1 to 3, as in the first byte: 0x40, 0x20, 0x10. */
  rsv?: number;
  opcode: number;
  payload?: Buffer | string;
  masked?: boolean;
  /** Said in the header instead of the payload's own length. */
  length?: number;
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

const open = new Set<RawSocket>();

/** Ends what a test left open. */
export async function endAll(): Promise<void> {
  for (const raw of open) raw.socket.destroy();
  await Promise.all([...open].map((raw) => raw.end()));
}

/** A TCP socket that speaks WebSocket as badly as one likes. Understands what comes back. */
export class RawSocket {
  readonly socket: Socket;
  /** The answer to the upgrade. */
  head = '';
  readonly frames: Record<string, unknown>[] = [];
  pongs = 0;
  closeCode: number | undefined;
  ended = false;
  #buffer: Buffer = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    open.add(this);
    this.socket.on('data', (chunk: Buffer) => {
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
      this.#take();
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      open.delete(this);
      this.ended = true;
      this.#wake();
    });
  }

  static open(port: number): Promise<RawSocket> {
    const raw = new RawSocket(port);
    return new Promise((resolve, reject) => raw.socket.once('connect', () => resolve(raw)).once('error', reject));
  }

  /** Resolves when the WebSocket is open. */
  static async upgrade(port: number, options: { headers?: Record<string, string>; path?: string } = {}): Promise<RawSocket> {
    const raw = await RawSocket.open(port);
    raw.request(options);
    await raw.until(() => raw.head !== '' || raw.ended);
    if (!raw.head.startsWith('HTTP/1.1 101 ')) throw new Error(`not upgraded: ${raw.head}`);
    return raw;
  }

  /** Sends an upgrade request; a header set to the empty string is left out. */
  request({ headers = {}, path = '/ws', method = 'GET' }: { headers?: Record<string, string>; path?: string; method?: string } = {}): void {
    const all: Record<string, string> = {
      Host: `127.0.0.1:${this.socket.remotePort}`,
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': KEY,
      ...headers,
    };
    const lines = Object.entries(all).flatMap(([name, value]) => (value === '' ? [] : [`${name}: ${value}`]));
    this.socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  }

  send(frame: RawFrame): void {
    this.socket.write(encodeFrame(frame));
  }

  sendFrame(value: unknown): void {
    this.send({ opcode: 1, payload: JSON.stringify(value) });
  }

  /** Resolves when it holds; rejects when the connection ended before. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.ended) throw new Error(`ended with ${this.closeCode}; head ${this.head}; frames ${JSON.stringify(this.frames.slice(-3))}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Resolves when the connection is gone: to the code of the close frame, if there was one. */
  async end(): Promise<number | undefined> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.closeCode;
  }

  #take(): void {
    if (this.head === '') {
      const end = this.#buffer.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.head = this.#buffer.subarray(0, end).toString('latin1');
      this.#buffer = this.#buffer.subarray(end + 4);
    }
    if (!this.head.startsWith('HTTP/1.1 101 ')) return;
    for (let frame = this.#frame(); frame !== undefined; frame = this.#frame()) {
      const { opcode, payload } = frame;
      if (opcode === 1) this.frames.push(...[JSON.parse(payload.toString())].flat());
      else if (opcode === 10) this.pongs++;
      else if (opcode === 8) this.#closed(payload);
    }
  }

  /** Answers, as a polite peer does, so that the server can end the connection. */
  #closed(payload: Buffer): void {
    this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
    if (!this.socket.destroyed) this.send({ opcode: 8, payload });
  }

  #frame(): { opcode: number; payload: Buffer } | undefined {
    if (this.#buffer.length < 2) return undefined;
    let length = this.#buffer[1]! & 0x7f;
    let start = 2;
    if (length === 126) {
      if (this.#buffer.length < 4) return undefined;
      length = this.#buffer.readUInt16BE(2);
      start = 4;
    } else if (length === 127) {
      if (this.#buffer.length < 10) return undefined;
      length = Number(this.#buffer.readBigUInt64BE(2));
      start = 10;
    }
    if (this.#buffer.length < start + length) return undefined;
    const frame = { opcode: this.#buffer[0]! & 0x0f, payload: this.#buffer.subarray(start, start + length) };
    this.#buffer = this.#buffer.subarray(start + length);
    return frame;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

export function encodeFrame({ fin = true, rsv = 0, opcode, payload = '', masked = true, length }: RawFrame): Buffer {
  const data = Buffer.from(payload);
  const said = length ?? data.length;
  const mask = masked ? 0x80 : 0;
  let head: Buffer;
  if (said < 126) head = Buffer.from([0, mask | said]);
  else if (said < 65_536) {
    head = Buffer.from([0, mask | 126, 0, 0]);
    head.writeUInt16BE(said, 2);
  } else {
    head = Buffer.alloc(10);
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(said), 2);
  }
  head[0] = (fin ? 0x80 : 0) | rsv | opcode;
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([head, masked ? Buffer.alloc(4) : Buffer.alloc(0), data]);
}
