import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { FrameScanner, type FrameSink } from './scanner.ts';

export interface Target {
  readonly url: string;
  readonly token: string;
  readonly localAddress?: string;
}

export interface LinkSink extends FrameSink {
  /** One read of the kernel begins: what a time is taken for. */
  chunk(): void;
}

/** Every socket of this thread reads into the same bytes: each read is handled before the next, and nothing is allocated for it. */
const READ = Buffer.allocUnsafeSlow(64 * 1_024);

/** A WebSocket that costs little, so that the generator is not what is measured. */
export class LoadSocket {
  readonly #socket: Socket;
  readonly #scanner: FrameScanner;
  readonly #sink: LinkSink;
  /** What came of the answer to the upgrade, until it is whole. */
  #head = '';
  #opened: ((status: string) => void) | undefined;

  private constructor({ url, token, localAddress }: Target, sink: LinkSink) {
    const { hostname, port } = new URL(url);
    this.#sink = sink;
    this.#socket = connect({
      host: hostname,
      port: Number(port === '' ? 80 : port),
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
      onread: { buffer: READ, callback: (bytes) => this.#read(bytes) },
    });
    this.#scanner = new FrameScanner({
      text: (data, start, end) => sink.text(data, start, end),
      ping: (payload) => this.#write(masked(10, payload.toString('latin1'))),
      close: (code) => sink.close(code),
    });
    this.#socket.write(
      `GET /ws HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
  }

  /**
   * Resolves after the upgrade; `onLink` has the socket before, to end it when that takes too long. `close` of the sink is also told, with
   * 1006, when the connection breaks.
   */
  static open(target: Target, sink: LinkSink, onLink: (link: LoadSocket) => void): Promise<LoadSocket> {
    return new Promise((resolve, reject) => {
      const link = new LoadSocket(target, sink);
      onLink(link);
      link.#opened = (status) => {
        if (status === '101') resolve(link);
        else link.#socket.destroy(new Error(`the upgrade was answered ${status}`));
      };
      link.#socket.on('error', reject);
      link.#socket.on('close', () => {
        reject(new Error('closed during the upgrade'));
        sink.close(1006);
      });
    });
  }

  send(text: string): void {
    this.#write(masked(1, text));
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

  #read(bytes: number): boolean {
    this.#sink.chunk();
    if (this.#opened === undefined) this.#scanner.push(READ, 0, bytes);
    else this.#upgrade(bytes);
    return true;
  }

  #upgrade(bytes: number): void {
    const before = this.#head.length;
    this.#head += READ.toString('latin1', 0, bytes);
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) return;
    this.#opened!(this.#head.slice(9, 12));
    this.#opened = undefined;
    this.#head = '';
    this.#scanner.push(READ, end + 4 - before, bytes);
  }

  #write(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }
}

/** The mask is zero: legal, and it spares the generator the work. */
function masked(opcode: number, text: string): Buffer {
  const length = opcode === 1 ? Buffer.byteLength(text) : text.length;
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const buffer = Buffer.allocUnsafe(header + 4 + length);
  buffer[0] = 0x80 | opcode;
  buffer[1] = 0x80 | (header === 2 ? length : header === 4 ? 126 : 127);
  if (header === 4) buffer.writeUInt16BE(length, 2);
  else if (header === 10) buffer.writeBigUInt64BE(BigInt(length), 2);
  buffer.fill(0, header, header + 4);
  buffer.write(text, header + 4, opcode === 1 ? 'utf8' : 'latin1');
  return buffer;
}
