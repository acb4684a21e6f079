import type { WebSocketLike } from '@gapless/sdk';
import { Line } from './line.ts';
import type { ServerNode } from './node.ts';
import type { Random } from './random.ts';
import type { SimProcess, World } from './world.ts';

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
