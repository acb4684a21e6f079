import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { ackNumberAt, type Dialect } from './dialects.ts';
import {
  blankMessage,
  DIGITS,
  masked,
  OPCODE_CLOSE,
  OPCODE_PING,
  OPCODE_PONG,
  OPCODE_TEXT,
  readNumber,
  Template,
  textOf,
} from './message.ts';
import { nowUs } from './schedule.ts';
import type { Tally } from './tally.ts';

/** One in so many deliveries is parsed in full and compared with what was sent. */
const SAMPLE = 100;
/** Bytes are looked at as they come and not kept, so all sockets of a thread read into one buffer. */
const READ_BUFFER = Buffer.alloc(256 * 1_024);
const EMPTY = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';

export interface Target {
  readonly port: number;
  readonly cid: string;
  readonly token?: string;
}

/** What the clients of a thread share. */
export interface Desk {
  readonly dialect: Dialect;
  /** Of the running step; deliveries between steps are nobody's. */
  tally: Tally | undefined;
  closed: number;
}

/**
 * One client that costs little, so that the generator is not what is measured: frames are found by their headers, the number of a message
 * by its place, the clock is read once for all that one read brought.
 */
export class Client {
  readonly #desk: Desk;
  readonly #local: number;
  readonly #cid: string;
  readonly #template: Template;
  readonly #socket: Socket;
  #rest: Buffer = EMPTY;
  #upgraded = false;
  #ended = false;
  #seen = 0;
  #joined: { resolve: () => void; reject: (error: Error) => void } | undefined;

  private constructor(desk: Desk, local: number, { port, cid, token }: Target) {
    this.#desk = desk;
    this.#local = local;
    this.#cid = cid;
    this.#template = new Template(desk.dialect.send(blankMessage(cid)));
    const onread = { buffer: READ_BUFFER, callback: (bytes: number) => this.#read(bytes) };
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
    this.#socket.on('error', (error) => this.#closed(error.message));
    this.#socket.on('close', () => this.#closed('closed'));
    this.#socket.write(
      `GET ${desk.dialect.path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n` +
        `${token === undefined ? '' : `Authorization: Bearer ${token}\r\n`}\r\n`,
    );
  }

  /** Resolves when the server let it into its room. `local`: its place among the clients of its thread. */
  static join(desk: Desk, local: number, target: Target): Promise<Client> {
    return new Promise((resolve, reject) => {
      const client = new Client(desk, local, target);
      client.#joined = { resolve: () => resolve(client), reject };
    });
  }

  send(k: number): void {
    this.#socket.write(this.#template.frame(k));
  }

  end(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #closed(reason: string): void {
    this.#joined?.reject(new Error(reason));
    this.#joined = undefined;
    if (this.#ended) return;
    this.#ended = true;
    this.#desk.closed++;
  }

  #read(bytes: number): boolean {
    let data = READ_BUFFER.subarray(0, bytes);
    if (this.#rest.length > 0) {
      data = Buffer.concat([this.#rest, data]);
      this.#rest = EMPTY;
    }
    const end = this.#upgraded ? this.#frames(data, 0) : this.#upgrade(data);
    if (end < data.length) this.#rest = Buffer.from(data.subarray(end));
    return true;
  }

  #upgrade(data: Buffer): number {
    const end = data.indexOf(HEAD_END);
    if (end === -1) return 0;
    const status = data.toString('latin1', 9, 12);
    if (status !== '101') this.#closed(`the upgrade was answered ${status}`);
    this.#upgraded = true;
    this.#say(this.#desk.dialect.opening(this.#cid));
    return this.#frames(data, end + HEAD_END.length);
  }

  /** Takes the frames from `at` on; where the first one that is not all there begins. */
  #frames(data: Buffer, at: number): number {
    const now = nowUs();
    for (;;) {
      if (data.length - at < 2) return at;
      let length = data[at + 1]! & 127;
      let start = at + 2;
      if (length === 126) {
        if (data.length - at < 4) return at;
        length = (data[at + 2]! << 8) | data[at + 3]!;
        start = at + 4;
      } else if (length === 127) throw new Error('a frame of 64 KiB or more: not one of these servers sends that');
      if (data.length < start + length) return at;
      const opcode = data[at]! & 15;
      at = start + length;
      if (opcode === OPCODE_TEXT) this.#payload(data, start, at, now);
      else if (opcode === OPCODE_PING) this.#socket.write(masked(OPCODE_PONG, data.subarray(start, at)));
      else if (opcode === OPCODE_CLOSE) this.#closed('closed by the server');
    }
  }

  #payload(data: Buffer, start: number, end: number, now: number): void {
    const { dialect, tally } = this.#desk;
    if (dialect.isDelivery(data, start)) {
      const k = readNumber(data, end - dialect.afterNumber - DIGITS);
      tally?.delivered(this.#local, k, now);
      if (++this.#seen % SAMPLE === 0 && tally !== undefined && dialect.textOf(data.toString('utf8', start, end)) !== textOf(k))
        tally.misread++;
    } else if (dialect.isAck?.(data, start)) {
      tally?.answered(readNumber(data, ackNumberAt(data, start)), now);
    } else this.#control(data.toString('utf8', start, end));
  }

  #control(text: string): void {
    const { say, joined } = this.#desk.dialect.control(text, this.#cid);
    this.#say(say);
    if (!joined) return;
    this.#joined?.resolve();
    this.#joined = undefined;
  }

  #say(text: string | undefined): void {
    if (text !== undefined) this.#socket.write(masked(OPCODE_TEXT, Buffer.from(text)));
  }
}
