import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** An upgrade whose path, origin and limits were checked. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly url: URL;
  /** Address of the client, behind trusted proxies too. */
  readonly ip: string;
}

/** A path that WebSockets are served on. */
export interface Endpoint {
  readonly path: string;
  /** Live connections. */
  readonly size: number;
  /** Takes no new ones. */
  readonly draining: boolean;
  accept(upgrade: Upgrade): void;
}

export interface WebSocketOptions {
  endpoints: readonly Endpoint[];
  /** Origins that may connect besides the server's own; `*` for any. Clients without an Origin are no browsers and need a token anyway. */
  allowedOrigins: readonly string[];
  /** Of all endpoints together. */
  maxConnections: number;
  /** Address of the client, behind trusted proxies too. */
  ipOf(request: IncomingMessage): string;
}

/** Serves the endpoints on `server`. There is nothing to upgrade to on other paths. */
export function serveWebSockets(server: Server, { endpoints, allowedOrigins, maxConnections, ipOf }: WebSocketOptions): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = URL.parse(request.url ?? '/', 'http://server');
    const endpoint = endpoints.find(({ path }) => path === url?.pathname);
    if (url === null || endpoint === undefined) return refuse(socket, '404 Not Found');
    const live = endpoints.reduce((sum, { size }) => sum + size, 0);
    if (endpoint.draining || live >= maxConnections) return refuse(socket, '503 Service Unavailable');
    if (!originAllowed(request, allowedOrigins)) return refuse(socket, '403 Forbidden');
    endpoint.accept({ request, socket, head, url, ip: ipOf(request) });
  });
}

/** The token that came with the upgrade. */
export function tokenOf({ request, url }: Upgrade): string | null {
  const match = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '');
  return match?.[1] ?? url.searchParams.get('token');
}

/** The HTTP server has let go of the socket: what it does from here on, resets included, is ours to bear. */
function refuse(socket: Duplex, status: string): void {
  socket.on('error', () => {});
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Exact match of scheme, host and port with the page's own server, or with the list. */
function originAllowed({ headers }: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin, host } = headers;
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return true;
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}
