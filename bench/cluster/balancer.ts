import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { isReady } from './cluster.ts';

/** Looks at /readyz of each node this often, as load balancers do. */
const LOOK_EVERY_MS = 200;

/** A TCP load balancer on loopback: round robin over the nodes that are ready. A connection stays where it is until its node ends it. */
export interface Balancer {
  readonly url: string;
  close(): void;
}

export async function startBalancer(urls: readonly string[]): Promise<Balancer> {
  const ready = new Map(urls.map((url) => [url, true]));
  const sockets = new Set<Socket>();
  let turn = 0;

  function next(): string | undefined {
    for (let i = 0; i < urls.length; i++) {
      const url = urls[turn++ % urls.length]!;
      if (ready.get(url) === true) return url;
    }
    return undefined;
  }

  /** A node that refuses is not asked again until it is ready; the client notices nothing. */
  function join(client: Socket): void {
    const url = next();
    if (url === undefined) return void client.destroy();
    const upstream = connect({ port: Number(new URL(url).port), host: '127.0.0.1', noDelay: true });
    let open = false;
    upstream.once('connect', () => {
      open = true;
      client.pipe(upstream);
      upstream.pipe(client);
    });
    upstream.on('error', () => open || ready.set(url, false));
    upstream.once('close', () => {
      sockets.delete(upstream);
      if (open || client.destroyed) client.destroy();
      else join(client);
    });
    client.once('close', () => upstream.destroy());
    sockets.add(upstream);
  }

  const server = createServer({ noDelay: true, pauseOnConnect: false }, (client) => {
    sockets.add(client);
    client.on('error', () => {});
    client.once('close', () => sockets.delete(client));
    join(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const looking = setInterval(() => {
    for (const url of urls) void isReady(url).then((is) => ready.set(url, is));
  }, LOOK_EVERY_MS);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      clearInterval(looking);
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
