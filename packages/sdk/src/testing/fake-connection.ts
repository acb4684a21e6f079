import type { DownFrame, DownFrameOf, UpFrame } from '@gapless/protocol';
import type { WebSocketLike } from '../types.ts';
import { type FakeServer, json } from './fake-server.ts';

/** How a conversation reaches one connection, and up to where it did. */
export interface FakeJoin {
  mode: DownFrameOf<'head'>['mode'];
  rev: number;
}

/** The server's end of a connection, whatever carries it. */
export abstract class FakeConnection {
  abstract readonly transport: 'websocket' | 'sse';
  readyState = 0;
  readonly joined = new Map<string, FakeJoin>();
  readonly received: UpFrame[] = [];
  user: string | undefined;
  readonly url: string;
  protected readonly server: FakeServer;

  constructor(server: FakeServer, url: string) {
    this.server = server;
    this.url = url;
    server.sockets.push(this);
    server.expectAuth(this);
  }

  /** In order, as far as the connection lives by then. */
  down(frame: DownFrame): void {
    const frames = this.server.onWire(frame);
    queueMicrotask(() => {
      if (this.readyState === 1) this.write(frames);
    });
  }

  end(code: number): void {
    queueMicrotask(() => {
      if (this.readyState !== 3) this.finish(code);
      this.readyState = 3;
    });
  }

  protected take(frame: UpFrame): void {
    this.received.push(frame);
    queueMicrotask(() => {
      if (this.readyState === 1) this.server.receive(this, frame);
    });
  }

  protected abstract write(frames: DownFrame[]): void;
  protected abstract finish(code: number): void;
}

export class FakeSocket extends FakeConnection implements WebSocketLike {
  readonly transport = 'websocket';
  onopen: WebSocketLike['onopen'] = null;
  onmessage: WebSocketLike['onmessage'] = null;
  onclose: WebSocketLike['onclose'] = null;
  onerror: WebSocketLike['onerror'] = null;
  readonly protocols: string | string[] | undefined;
  /** For its whole life: no network loses one frame and carries the next. */
  readonly #network: FakeServer['webSocket'];

  constructor(server: FakeServer, url: string, protocols?: string | string[]) {
    super(server, url);
    this.protocols = protocols;
    this.#network = server.webSocket;
    queueMicrotask(() => {
      if (this.readyState !== 0) return;
      if (server.down || server.webSocket === 'refused') return this.end(1006);
      this.readyState = 1;
      this.onopen?.({});
    });
  }

  send(data: string): void {
    if (!this.#network.startsWith('swallowed')) this.take(JSON.parse(data) as UpFrame);
  }

  close(): void {
    this.readyState = 3;
  }

  protected write(frames: DownFrame[]): void {
    if (this.#network !== 'swallowed') this.onmessage?.({ data: JSON.stringify(frames) });
  }

  protected finish(code: number): void {
    if (this.#network !== 'swallowed') this.onclose?.({ code, reason: '' });
  }
}

export class FakeStream extends FakeConnection {
  readonly transport = 'sse';
  readonly conn: string;
  readonly response: Response;
  /** Bodies of the POSTs, each an array. */
  readonly posts: UpFrame[][] = [];
  #controller!: ReadableStreamDefaultController<Uint8Array>;

  constructor(server: FakeServer, url: string, signal: AbortSignal | null | undefined) {
    super(server, url);
    this.conn = `conn-${server.sockets.length}`;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    this.response = new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    this.readyState = 1;
    signal?.addEventListener('abort', () => {
      if (this.readyState === 1) this.#controller.error(new DOMException('aborted', 'AbortError'));
      this.readyState = 3;
    });
    this.event('conn', { t: 'conn', conn: this.conn });
  }

  post(body: string): Response {
    const frames = [JSON.parse(body)].flat() as UpFrame[];
    this.posts.push(frames);
    for (const frame of frames) this.take(frame);
    return json({}, 202);
  }

  event(name: string, data: unknown): void {
    this.text(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  text(text: string): void {
    this.#controller.enqueue(new TextEncoder().encode(text));
  }

  protected write(frames: DownFrame[]): void {
    for (const frame of frames) this.text(`id: x\ndata: ${JSON.stringify(frame)}\n\n`);
  }

  protected finish(code: number): void {
    if (code !== 1006) this.event('close', { t: 'close', code, reason: '' });
    this.#controller.close();
  }
}
