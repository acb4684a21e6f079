import { signToken, type TokenOptions } from '@gapless/testkit';
import { type ClientOptions, WebSocket } from 'ws';

export interface RoomFrame {
  type: string;
  room: string | null;
  data: Record<string, unknown>;
  ts: string;
  sender_id: string | null;
}

export interface RoomClientOptions {
  url: string;
  query?: string;
  ws?: ClientOptions;
}

/** A bare client of the rooms dialect. Keeps every frame it got. */
export class RoomClient {
  readonly frames: RoomFrame[] = [];
  readonly socket: WebSocket;
  /** Resolves to the close code. */
  readonly closed: Promise<number>;
  #code: number | undefined;
  #waiting: (() => void)[] = [];
  #pings = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('message', (data: Buffer) => {
      this.frames.push(JSON.parse(data.toString()));
      this.#wake();
    });
    this.closed = new Promise((resolve) =>
      socket.on('close', (code) => {
        this.#code = code;
        resolve(code);
        this.#wake();
      }),
    );
  }

  /** Resolves when the socket is open: refusals come as a close. */
  static async open({ url, query = '', ws }: RoomClientOptions): Promise<RoomClient> {
    const client = new RoomClient(new WebSocket(`${url.replace(/^http/, 'ws')}/api/v1/ws${query}`, ws));
    await new Promise((resolve, reject) => client.socket.once('open', resolve).once('error', reject));
    return client;
  }

  /** Resolves when it was welcomed. */
  static async connect(url: string, user: string, token?: TokenOptions): Promise<RoomClient> {
    const client = await RoomClient.open({ url, query: `?token=${await signToken(user, token)}` });
    await client.wait('welcome');
    return client;
  }

  send(...frames: unknown[]): void {
    for (const frame of frames) this.socket.send(JSON.stringify(frame));
  }

  of(type: string): RoomFrame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  texts(): unknown[] {
    return this.of('message').map(({ data }) => data.text);
  }

  errors(): unknown[] {
    return this.of('error').map(({ data }) => data.message);
  }

  /** The first frame of this type, past or to come, that `matches`. Rejects when the socket closes before. */
  async wait(type: string, matches: (frame: RoomFrame) => boolean = () => true): Promise<RoomFrame> {
    for (;;) {
      const found = this.frames.find((frame) => frame.type === type && matches(frame));
      if (found !== undefined) return found;
      if (this.#code !== undefined) throw new Error(`closed ${this.#code} while waiting for ${type}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Everything sent before was handled when this resolves. */
  async settle(): Promise<void> {
    const count = ++this.#pings;
    this.send({ type: 'ping' });
    await this.wait('pong', () => this.of('pong').length >= count);
  }

  async join(...rooms: string[]): Promise<void> {
    this.send(...rooms.map((room) => ({ type: 'join', room })));
    await this.settle();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
