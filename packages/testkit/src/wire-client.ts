import type { DownFrame, DownFrameOf, DownType, UpFrame } from '@gapless/protocol';
import { decode, encode } from '@msgpack/msgpack';
import { type ClientOptions, WebSocket } from 'ws';

export interface WireOptions {
  url: string;
  /** Sent as the first frame; nothing is sent when absent. */
  token?: string;
  device?: string;
  query?: string;
  subprotocol?: 'gapless.v1.json' | 'gapless.v1.msgpack';
  ws?: ClientOptions;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** Less than a test's own timeout, which would not say what was waited for. */
const WAIT_MAX_MS = 90_000;

/** A bare client: what goes over the socket, and nothing clever. Keeps every frame it got. */
export class WireClient {
  readonly frames: DownFrame[] = [];
  readonly closed: Promise<Closed>;
  readonly socket: WebSocket;
  readonly #binary: boolean;
  #waiting: (() => void)[] = [];
  #closedBy: Closed | undefined;

  private constructor(socket: WebSocket, binary: boolean) {
    this.socket = socket;
    this.#binary = binary;
    this.closed = new Promise((resolve) =>
      socket.on('close', (code, reason) => {
        this.#closedBy = { code, reason: reason.toString() };
        resolve(this.#closedBy);
        this.#wake();
      }),
    );
    socket.on('error', () => {});
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      const value = (isBinary ? decode(data) : JSON.parse(data.toString())) as DownFrame | DownFrame[];
      this.frames.push(...(Array.isArray(value) ? value : [value]));
      this.#wake();
    });
  }

  /** Resolves when the socket is open, and, with a token, when `ready` came. */
  static async connect({ url, token, device, query = '', subprotocol, ws }: WireOptions): Promise<WireClient> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws${query}`, subprotocol === undefined ? [] : [subprotocol], ws);
    const client = new WireClient(socket, subprotocol === 'gapless.v1.msgpack');
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    if (token === undefined) return client;
    client.send({ t: 'auth', jwt: token, ...(device === undefined ? {} : { device }) });
    await client.wait('ready');
    return client;
  }

  send(frame: UpFrame | Record<string, unknown>): void {
    this.socket.send(this.#binary ? encode(frame) : JSON.stringify(frame));
  }

  sendRaw(data: string | Buffer): void {
    this.socket.send(data);
  }

  of<T extends DownType>(t: T): DownFrameOf<T>[] {
    return this.frames.filter((frame): frame is DownFrameOf<T> & DownFrame => frame.t === t) as DownFrameOf<T>[];
  }

  /** The first frame of this type, past or to come, that `matches`. Rejects when the socket closes before, and after a time in which everything comes. */
  async wait<T extends DownType>(t: T, matches: (frame: DownFrameOf<T>) => boolean = () => true): Promise<DownFrameOf<T>> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, WAIT_MAX_MS);
    try {
      for (let at = 0; ; ) {
        for (; at < this.frames.length; at++) {
          const frame = this.frames[at]!;
          if (frame.t === t && matches(frame as DownFrameOf<T>)) return frame as DownFrameOf<T>;
        }
        const end = this.#closedBy === undefined ? undefined : `closed ${this.#closedBy.code} while waiting`;
        if (end !== undefined || late)
          throw new Error(`${end ?? `waited ${WAIT_MAX_MS} ms`} for ${t}; got ${JSON.stringify(this.frames.slice(-5))}`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async join(cid: string, cursor: { since?: number; rev?: number } = {}): Promise<DownFrameOf<'joined'>> {
    const before = this.of('joined').filter((frame) => frame.cid === cid).length;
    this.send({ t: 'join', cid, ...cursor });
    return this.wait('joined', (frame) => frame.cid === cid && this.of('joined').filter((other) => other.cid === cid).length > before);
  }

  /** Sends a text and waits for its ack. */
  async say(cid: string, mid: string, text = mid): Promise<DownFrameOf<'ack'>> {
    this.send({ t: 'send', cid, mid, kind: 'text', body: { text } });
    return this.wait('ack', (frame) => frame.cid === cid && frame.mid === mid);
  }

  /** Everything sent before was handled when this resolves. */
  async settle(): Promise<void> {
    const n = Math.floor(Math.random() * 2 ** 50);
    this.send({ t: 'ping', n });
    await this.wait('pong', (frame) => frame.n === n);
  }

  close(): Promise<Closed> {
    this.socket.close();
    return this.closed;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
