import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Base, Part } from './base.ts';
import { Readiness } from './readiness.ts';
import type { RunningRelay } from './relay.ts';

/** What a worker answers: whether it lives, whether it is ready, and its metrics. Clients have no business with it. */
export async function startHealth({ config, clock, store, metrics }: Base, relay: RunningRelay | undefined): Promise<Part> {
  const readiness = new Readiness(clock, {
    store: () => store.check(),
    ...(relay === undefined ? {} : { bus: () => relay.check() }),
  });

  async function answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = url.split('?')[0];
    if (method !== 'GET' && method !== 'HEAD') return end(response, 405, { title: 'Method not allowed' });
    if (path === '/livez') return end(response, 200, { ok: true, checks: {} });
    if (path === '/readyz') {
      const found = await readiness.look();
      return end(response, found.ok ? 200 : 503, found);
    }
    if (path !== '/metrics') return end(response, 404, { title: 'Not found: this process is a worker' });
    const { contentType, body } = await metrics.text();
    response.writeHead(200, { 'content-type': contentType }).end(body);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.headersSent || end(response, 500, { title: 'Internal error' }));
  });
  server.listen({ host: config.host, port: config.port, reusePort: config.reusePort === 'on' });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function end(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
