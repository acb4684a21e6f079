import type { WebSocketLike } from '@gapless/sdk';
import type { Network, Reader } from './network.ts';
import type { ServerNode } from './node.ts';
import { ServerEnd } from './server-end.ts';
import type { SimProcess, World } from './world.ts';

/** A ping or a pong, on the wire. */
const PING_BYTES = 2;

/** Two frames of one way never arrive at the same time: the second one is later by this. */
const EPSILON_MS = 0.001;

/** Whatever a slow reader has before it, it reads within this: in the end it has to have caught up. */
const READ_MAX_MS = 15_000;

/** What happens to a line that is cut: who learns of it. */
export type Cut = 'both' | 'client' | 'server' | 'nobody';

/** One WebSocket: the client's end, the server's end, and what is under way between them. */
export class Line {
  readonly network: Network;
  readonly reader: Reader;
  /** The life of the client that dialled it. */
  readonly process: SimProcess;
  readonly client: ClientEnd;
  node: ServerNode | undefined;
  server: ServerEnd | undefined;
  /** Beyond these times nothing arrives any more. */
  #upUntil = Number.POSITIVE_INFINITY;
  #downUntil = Number.POSITIVE_INFINITY;
  #lastUp = 0;
  #lastDown = 0;

  constructor(network: Network, reader: Reader) {
    this.network = network;
    this.reader = reader;
    this.process = reader.process;
    this.client = new ClientEnd(this);
    network.lines.add(this);
    this.#dial();
  }

  get world(): World {
    return this.network.world;
  }

  #dial(): void {
    const { world, network, reader } = this;
    this.#goUp(0, () => {
      const node = reader.offline ? undefined : network.balance();
      if (node === undefined) return this.#goDown(0, () => this.client.closed(1006));
      this.node = node;
      const arrive = () => {
        if (this.client.readyState !== 0) return;
        if (node.draining) return this.#goDown(0, () => this.client.closed(1006));
        this.server = new ServerEnd(this, node);
        world.note(() => `connection of ${reader.name}`);
        this.#goDown(0, () => this.client.opened());
      };
      if (node.process.alive) world.in(node.process, 0, arrive);
      else this.#goDown(0, () => this.client.closed(1006));
    });
  }

  /** Runs at the server's side, in order; `world` decides nothing here but the time. */
  #goUp(bytes: number, run: () => void): void {
    const at = Math.max(this.world.now + this.network.delay(), this.#lastUp + EPSILON_MS + bytes / 1e6);
    this.#lastUp = at;
    if (at > this.#upUntil) return;
    this.world.at(this.node?.process ?? this.world.outside, at, () => {
      if (at <= this.#upUntil) run();
    });
  }

  #goDown(bytes: number, run: () => void): void {
    const readMs = this.reader.bytesPerMs === Number.POSITIVE_INFINITY ? 0 : bytes / this.reader.bytesPerMs;
    const first = Math.max(this.world.now + this.network.delay(), this.#lastDown + EPSILON_MS);
    const at = Math.max(first, Math.min(first + readMs, this.world.now + READ_MAX_MS));
    this.#lastDown = at;
    if (at > this.#downUntil) return;
    this.world.at(this.process, at, () => {
      if (at <= this.#downUntil) run();
    });
  }

  sendUp(text: string): void {
    this.reader.said(this, text);
    this.#goUp(text.length, () => this.server?.take(this.network.up(this, text)));
  }

  /** The client's machine answers a ping by itself. */
  ping(): void {
    this.#goDown(PING_BYTES, () => this.#goUp(PING_BYTES, () => this.server?.seen()));
  }

  sendDown(texts: readonly string[], bytes: number): void {
    this.#goDown(bytes, () => {
      this.server?.taken(bytes);
      for (const text of this.network.down(this, [...texts])) this.client.message(text);
    });
  }

  /** The client closed it. */
  closeUp(): void {
    this.#goUp(0, () => this.server?.ended());
    this.network.lines.delete(this);
  }

  closeDown(code: number): void {
    this.#goDown(0, () => this.client.closed(code));
    this.network.lines.delete(this);
  }

  /** What is under way may still arrive, up to some frame of each way. */
  cut(who: Cut): void {
    const { world, network } = this;
    world.note(() => `cut ${this.reader.name}, ${who} learn of it`);
    const graceMs = () => (network.random.chance(0.5) ? 0 : network.random.next() * network.state.maxMs);
    this.#upUntil = Math.min(this.#upUntil, world.now + graceMs());
    this.#downUntil = Math.min(this.#downUntil, world.now + graceMs());
    const client = () => world.at(this.process, this.#downUntil + network.delay(), () => this.client.closed(1006));
    const server = () => {
      const { node } = this;
      if (node !== undefined) world.at(node.process, this.#upUntil + network.delay(), () => this.server?.ended());
    };
    if (who === 'both' || who === 'client') client();
    if (who === 'both' || who === 'server') server();
    network.lines.delete(this);
  }
}

/** What the SDK takes for a WebSocket. */
class ClientEnd implements WebSocketLike {
  readyState = 0;
  onopen: WebSocketLike['onopen'] = null;
  onmessage: WebSocketLike['onmessage'] = null;
  onclose: WebSocketLike['onclose'] = null;
  onerror: WebSocketLike['onerror'] = null;
  readonly #line: Line;

  constructor(line: Line) {
    this.#line = line;
  }

  send(data: string): void {
    if (this.readyState === 1) this.#line.sendUp(data);
  }

  close(): void {
    if (this.readyState >= 2) return;
    this.readyState = 3;
    this.#line.closeUp();
  }

  opened(): void {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.onopen?.({});
  }

  message(text: string): void {
    if (this.readyState !== 1) return;
    this.#line.reader.heard(this.#line, text);
    this.onmessage?.({ data: text });
  }

  closed(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#line.network.lines.delete(this.#line);
    this.onclose?.({ code, reason: '' });
  }
}
