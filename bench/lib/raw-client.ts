import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/**
 * A WebSocket client that costs little, so that the generator is not what is measured: frames are found by their headers, and their
 * payload is only looked at by `onFrame`.
 */
export class RawClient {
  onFrame: (payload: Buffer) => void = () => {};
  /** Frames received. */
  frames = 0;
  bytes = 0;
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static open({
    port,
    token,
    localAddress,
    query = '',
  }: {
    port: number;
    token: string;
    localAddress?: string;
    query?: string;
  }): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) });
      socket.once('error', reject);
      const key = randomBytes(16).toString('base64');
      socket.write(
        `GET /ws${query} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\n` +
          `Sec-WebSocket-Version: 13\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
      let head = Buffer.alloc(0);
      const onHead = (chunk: Buffer) => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end === -1) return;
        if (!head.subarray(0, 12).toString().includes('101')) return reject(new Error(head.toString()));
        socket.off('data', onHead);
        const client = new RawClient(socket);
        socket.on('data', (data: Buffer) => client.#receive(data));
        client.#receive(head.subarray(end + 4));
        resolve(client);
      };
      socket.on('data', onHead);
    });
  }

  send(frame: object): void {
    this.#socket.write(masked(JSON.stringify(frame)));
  }

  /** Several frames in one write. */
  sendAll(frames: readonly object[]): void {
    this.#socket.write(Buffer.concat(frames.map((frame) => masked(JSON.stringify(frame)))));
  }

  /** Resolves with the first frame that `matches`; other frames still reach `onFrame`. */
  waitFor(matches: (frame: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      const before = this.onFrame;
      this.onFrame = (payload) => {
        before(payload);
        const frame = JSON.parse(payload.toString());
        if (!matches(frame)) return;
        this.onFrame = before;
        resolve(frame);
      };
    });
  }

  end(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (data.length - at >= 2) {
      let length = data[at + 1]! & 127;
      let start = at + 2;
      if (length === 126) {
        if (data.length - at < 4) break;
        length = data.readUInt16BE(at + 2);
        start = at + 4;
      } else if (length === 127) {
        if (data.length - at < 10) break;
        length = Number(data.readBigUInt64BE(at + 2));
        start = at + 10;
      }
      if (data.length < start + length) break;
      const opcode = data[at]! & 15;
      if (opcode === 1) {
        this.frames++;
        this.bytes += length;
        this.onFrame(data.subarray(start, start + length));
      } else if (opcode === 9) this.#socket.write(PONG);
      at = start + length;
    }
    this.#rest = at === data.length ? EMPTY : data.subarray(at);
  }
}

const EMPTY = Buffer.alloc(0);
/** A masked pong without payload. */
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** The mask is zero: legal, and it spares the generator the work. */
function masked(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : 4;
  const buffer = Buffer.alloc(header + 4 + length);
  buffer[0] = 0x81;
  if (length < 126) buffer[1] = 0x80 | length;
  else {
    buffer[1] = 0x80 | 126;
    buffer.writeUInt16BE(length, 2);
  }
  buffer.write(text, header + 4);
  return buffer;
}
