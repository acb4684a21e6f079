import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A TCP proxy on loopback that can be cut: what stands between a client and the server when the network goes away. */
export interface CutProxy {
  readonly port: number;
  /** Drops every connection and takes no new ones. */
  cut(): void;
  restore(): void;
  /** As some company networks do: a connection that wants to become a WebSocket is dropped. Those there are end when this begins. */
  blockWebSocket(on: boolean): void;
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** Absent: any free one. */
  port?: number;
  /** Stands in the way of what the server says; one for each connection. */
  filter?: () => Duplex;
}

export async function startProxy(target: () => number, { port = 0, filter }: ProxyOptions = {}): Promise<CutProxy> {
  const sockets = new Set<Socket>();
  const webSockets = new Set<Socket>();
  let open = true;
  let blocking = false;

  /** Who asks for a WebSocket does so in the first bytes. */
  function watch(client: Socket): void {
    client.once('data', (bytes) => {
      if (!/^upgrade: *websocket/im.test(bytes.toString('latin1'))) return;
      if (blocking) client.destroy();
      webSockets.add(client);
      client.once('close', () => webSockets.delete(client));
    });
  }

  const server = createServer((client) => {
    if (!open) return void client.destroy();
    watch(client);
    const upstream = connect(target(), '127.0.0.1');
    client.pipe(upstream);
    if (filter === undefined) upstream.pipe(client);
    else upstream.pipe(filter()).pipe(client);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const dropAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      open = false;
      dropAll();
    },
    restore() {
      open = true;
    },
    blockWebSocket(on) {
      blocking = on;
      if (on) for (const socket of webSockets) socket.destroy();
    },
    close() {
      dropAll();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
