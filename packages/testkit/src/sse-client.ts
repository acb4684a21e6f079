import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { DownFrame, DownFrameOf, DownType } from '@gapless/protocol';
import type { Closed } from './wire-client.ts';

/** One event as it stood on the stream; absent fields were not there. */
export interface StreamEvent {
  readonly event?: string;
  readonly data?: string;
  readonly id?: string;
  readonly retry?: string;
}

/** Takes the whole events out of `text`, and gives what is left of it. */
export function takeEvents(text: string): { events: StreamEvent[]; rest: string } {
  const blocks = text.split('\n\n');
  const rest = blocks.pop()!;
  const events = blocks.map((block) =>
    Object.fromEntries(
      block.split('\n').map((line) => {
        const [, name, value] = /^(event|data|id|retry): ?(.*)$/.exec(line) ?? [];
        if (name === undefined) throw new Error(`not a line of an event: ${line}`);
        return [name, value!];
      }),
    ),
  );
  return { events, rest };
}

export interface SseOptions {
  url: string;
  query?: string;
  headers?: Readonly<Record<string, string>>;
}

/** A bare client of the event stream: what comes down it, and requests with frames. Keeps everything it got. */
export class SseClient {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly events: StreamEvent[] = [];
  readonly frames: DownFrame[] = [];
  /** What a browser would send as `Last-Event-ID`. */
  lastEventId = '';
  conn = '';
  /** To what `event: close` said; code 0 when the stream ended without it. */
  readonly closed: Promise<Closed>;
  /** All that came, as it came. */
  text = '';
  readonly #url: string;
  readonly #request: ClientRequest;
  readonly response: IncomingMessage;
  #rest = '';
  #closedBy: Closed | undefined;
  #waiting: (() => void)[] = [];

  private constructor(url: string, sent: ClientRequest, response: IncomingMessage) {
    this.#url = url;
    this.#request = sent;
    this.response = response;
    this.status = response.statusCode!;
    this.headers = response.headers;
    response.setEncoding('utf8').on('data', (chunk: string) => this.#take(chunk));
    response.on('error', () => {});
    this.closed = new Promise((resolve) =>
      response.on('close', () => {
        this.#closedBy ??= { code: 0, reason: '' };
        resolve(this.#closedBy);
        this.#wake();
      }),
    );
  }

  /** Resolves when the head has come, and, where it is a stream, the first event. */
  static async open({ url, query = '', headers = {} }: SseOptions): Promise<SseClient> {
    const sent = request(`${url}/sse${query}`, { headers: { accept: 'text/event-stream', ...headers }, agent: false });
    const response = await new Promise<IncomingMessage>((resolve, reject) => sent.on('response', resolve).on('error', reject).end());
    const client = new SseClient(url, sent, response);
    if (client.status === 200) await client.until(() => client.conn !== '');
    return client;
  }

  /** Sends frames; resolves to the status. */
  async send(...frames: unknown[]): Promise<number> {
    return (await this.post(frames.length === 1 ? frames[0] : frames)).status;
  }

  async post(body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<{ status: number; text: string; headers: Headers }> {
    const response = await fetch(`${this.#url}/sse/${this.conn}/frames`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, text: await response.text(), headers: response.headers };
  }

  of<T extends DownType>(t: T): DownFrameOf<T>[] {
    return this.frames.filter((frame) => frame.t === t) as DownFrameOf<T>[];
  }

  /** The first frame of this type, past or to come, that `matches`. Rejects when the stream ends before. */
  async wait<T extends DownType>(t: T, matches: (frame: DownFrameOf<T>) => boolean = () => true): Promise<DownFrameOf<T>> {
    const found = () => this.of(t).find(matches);
    await this.until(() => found() !== undefined);
    return found()!;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#closedBy !== undefined) throw new Error(`closed ${this.#closedBy.code}; got ${JSON.stringify(this.events.slice(-5))}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Everything sent before was handled when this resolves. */
  async settle(): Promise<void> {
    const n = Math.floor(Math.random() * 2 ** 50);
    await this.send({ t: 'ping', n });
    await this.wait('pong', (frame) => frame.n === n);
  }

  /** Gone at once, as a network goes. */
  cut(): void {
    this.#request.destroy();
  }

  #take(chunk: string): void {
    this.text += chunk;
    const { events, rest } = takeEvents(this.#rest + chunk);
    this.#rest = rest;
    for (const event of events) {
      this.events.push(event);
      if (event.id !== undefined) this.lastEventId = event.id;
      if (event.data === undefined) continue;
      const value = JSON.parse(event.data);
      if (event.event === undefined) this.frames.push(value);
      else if (event.event === 'conn') this.conn = value.conn;
      else if (event.event === 'close') this.#closedBy = { code: value.code, reason: value.reason };
    }
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
