import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const LOOK_MS = 50;

/** Spreads TCP connections over the nodes that say they are ready, as the balancer before a real cluster does. */
export interface Balancer {
  readonly url: string;
  /** The nodes it knows; ready or not. May be changed. */
  readonly nodes: Set<{ readonly url: string; readonly port: number }>;
  /** Nodes that new connections go to. */
  readonly ready: ReadonlySet<number>;
  close(): Promise<void>;
}

export async function startBalancer(): Promise<Balancer> {
  const nodes: Balancer['nodes'] = new Set();
  const ready = new Set<number>();
  const sockets = new Set<Socket>();
  let turn = 0;

  async function look(): Promise<void> {
    for (const { port } of [...nodes]) {
      const ok = await fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: 'close' } }).then(
        (response) => response.ok,
        () => false,
      );
      if (ok) ready.add(port);
      else ready.delete(port);
    }
    const known = new Set([...nodes].map(({ port }) => port));
    for (const port of ready) if (!known.has(port)) ready.delete(port);
  }
  let looking = Promise.resolve();
  const timer = setInterval(() => (looking = looking.then(look)), LOOK_MS);

  const server = createServer((client) => {
    const ports = [...ready];
    if (ports.length === 0) return void client.destroy();
    const upstream = connect(ports[turn++ % ports.length]!, '127.0.0.1');
    client.pipe(upstream);
    upstream.pipe(client);
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
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    nodes,
    ready,
    async close() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      server.close();
      await looking;
    },
  };
}
