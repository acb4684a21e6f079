import type { WebSocketLike } from '@gapless/sdk';
import type { ServerNode } from './node.ts';
import type { Random } from './random.ts';
import type { SimProcess, World } from './world.ts';

/** What a WebSocket carries in one message is as long as this at least, on the wire. */
const HEADER_BYTES = 2;

/** Two frames of one way never arrive at the same time: the second one is later by this. */
const EPSILON_MS = 0.001;

/** Whatever a slow reader has before it, it reads within this: in the end it has to have caught up. */
const READ_MAX_MS = 15_000;

/** How the ways between clients and nodes are now. */
export interface NetworkState {
  minMs: number;
  maxMs: number;
  /** All ways are so many times as slow. */
  slowness: number;
  /** Bytes that the kernels hold for a reader who does not read. */
  kernelBytes: number;
}

/** One device's end of the network. */
export interface Reader {
  readonly process: SimProcess;
  readonly name: string;
  /** No way to anybody. */
  offline: boolean;
  /** Bytes that it takes in a millisecond. Infinite: all at once. */
  bytesPerMs: number;
  /** A frame of the server, as it arrives. */
  heard(line: Line, text: string): void;
  /** A frame to the server, as it leaves. */
  said(line: Line, text: string): void;
}

/** What happens to a line that is cut: who learns of it. */
export type Cut = 'both' | 'client' | 'server' | 'nobody';

/** Finds a node for a new connection; undefined: nobody answers. */
export type Balancer = () => ServerNode | undefined;

export class Network {
  readonly world: World;
  readonly random: Random;
  readonly state: NetworkState;
  readonly lines = new Set<Line>();
  readonly balance: Balancer;
  /** Changes what goes up or down: a planted fault of the server. */
  up: (line: Line, text: string) => string = (_line, text) => text;
  down: (line: Line, texts: string[]) => string[] = (_line, texts) => texts;

  constructor(world: World, state: NetworkState, balance: Balancer) {
    this.world = world;
    this.random = world.random.fork('network');
    this.state = state;
    this.balance = balance;
  }

  delay(): number {
    const { minMs, maxMs, slowness } = this.state;
    return this.random.skewed(minMs, maxMs) * slowness;
  }

  /** The class of WebSockets of one client. */
  socketsOf(reader: Reader): new (url: string) => WebSocketLike {
    const network = this;
    return class {
      constructor(_url: string) {
        // biome-ignore lint/correctness/noConstructorReturn: the SDK calls `new` and wants a socket.
        return new Line(network, reader).client;
      }
    } as unknown as new (
      url: string,
    ) => WebSocketLike;
  }

  linesOf(wanted: (line: Line) => boolean): Line[] {
    return [...this.lines].filter(wanted);
  }
}

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
    this.#goDown(HEADER_BYTES, () => this.#goUp(HEADER_BYTES, () => this.server?.seen()));
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

/** What the gateway takes for a transport. */
export class ServerEnd {
  /** JSON, several of a conversation in an array. */
  readonly encoding = 1;
  readonly #line: Line;
  readonly #node: ServerNode;
  readonly #session;
  #over = false;
  #writtenBytes = 0;
  #arrivedBytes = 0;
  #reading = true;
  #unread: string[] = [];

  constructor(line: Line, node: ServerNode) {
    this.#line = line;
    this.#node = node;
    this.#session = node.gateway.open(this, `10.0.${line.reader.process.id >> 8}.${line.reader.process.id & 255}`);
    this.#session.pulls = true;
  }

  /** The kernels hold some; what they do not take waits. */
  get bufferedBytes(): number {
    return Math.max(0, this.#writtenBytes - this.#arrivedBytes - this.#line.network.state.kernelBytes);
  }

  get takenBytes(): number {
    return this.#writtenBytes - this.bufferedBytes;
  }

  write(bytes: Buffer): void {
    if (this.#over) return;
    this.#writtenBytes += bytes.length;
    this.#line.sendDown(unpack(bytes), bytes.length);
  }

  /** Of bytes that were under way, so many arrived: some that waited here are taken. */
  taken(bytes: number): void {
    const waited = this.bufferedBytes > 0;
    this.#arrivedBytes += bytes;
    if (!waited) return;
    this.#line.world.in(this.#node.process, 0, () => {
      if (!this.#over) this.#node.gateway.drained(this.#session);
    });
  }

  take(text: string): void {
    if (this.#over) return;
    if (this.#reading) this.#node.receive(this.#session, text);
    else this.#unread.push(text);
  }

  seen(): void {
    if (this.#reading) this.#session.lastSeenAt = this.#line.world.timeOf(this.#node.process);
  }

  pauseReading(): void {
    this.#reading = false;
  }

  resumeReading(): void {
    this.#reading = true;
    this.#line.world.in(this.#node.process, 0, () => {
      while (this.#reading && this.#unread.length > 0) this.take(this.#unread.shift()!);
    });
  }

  ping(): void {
    if (!this.#over) this.#line.ping();
  }

  close(code: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#line.closeDown(code);
  }

  terminate(): void {
    this.close(1006);
  }

  ended(): void {
    if (this.#over) return;
    this.#over = true;
    this.#node.gateway.ended(this.#session);
  }
}

/** The texts in one write: several WebSocket messages may be in it. */
function unpack(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    let length = bytes[at + 1]!;
    let start = at + HEADER_BYTES;
    if (length === 126) {
      length = bytes.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(start));
      start += 8;
    }
    texts.push(bytes.toString('utf8', start, start + length));
    at = start + length;
  }
  return texts;
}
