import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { FrameScanner, type FrameSink } from './scanner.ts';

export interface Target {
  readonly url: string;
  readonly token: string;
  readonly localAddress?: string;
}

/** A WebSocket that costs little, so that the generator is not what is measured. */
export class LoadSocket {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Resolves after the upgrade. `close` of the sink is also told, with 1006, when the connection breaks. */
  static open({ url, token, localAddress }: Target, sink: FrameSink): Promise<LoadSocket> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url);
      const socket = connect({
        host: hostname,
        port: Number(port === '' ? 80 : port),
        noDelay: true,
        ...(localAddress === undefined ? {} : { localAddress }),
      });
      socket.write(
        `GET /ws HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
      );
      const scanner = new FrameScanner({ ...bound(sink), ping: (payload) => void socket.write(masked(10, payload)) });
      let head: Buffer | undefined = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        if (head === undefined) return scanner.push(chunk);
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end === -1) return;
        const status = head.toString('latin1', 9, 12);
        if (status !== '101') return void socket.destroy(new Error(`the upgrade was answered ${status}`));
        const rest = head.subarray(end + 4);
        head = undefined;
        resolve(new LoadSocket(socket));
        scanner.push(rest);
      });
      socket.once('error', reject);
      socket.on('close', () => {
        reject(new Error('closed during the upgrade'));
        sink.close(1006);
      });
    });
  }

  send(text: string): void {
    if (this.#socket.writable) this.#socket.write(masked(1, Buffer.from(text)));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.destroy();
  }
}

function bound(sink: FrameSink): FrameSink {
  return { text: (payload) => sink.text(payload), ping: () => {}, close: (code) => sink.close(code) };
}

/** The mask is zero: legal, and it spares the generator the work. */
function masked(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const buffer = Buffer.alloc(header + 4 + length);
  buffer[0] = 0x80 | opcode;
  buffer[1] = 0x80 | (header === 2 ? length : header === 4 ? 126 : 127);
  if (header === 4) buffer.writeUInt16BE(length, 2);
  else if (header === 10) buffer.writeBigUInt64BE(BigInt(length), 2);
  payload.copy(buffer, header + 4);
  return buffer;
}
