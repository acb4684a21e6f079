import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Admission } from './admission.ts';

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
  admission: Admission;
  /** Address of the client, behind trusted proxies too. */
  ipOf(request: IncomingMessage): string;
}

/** Serves the endpoints on `server`. There is nothing to upgrade to on other paths. */
export function serveWebSockets(server: Server, { endpoints, allowedOrigins, admission, ipOf }: WebSocketOptions): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = URL.parse(request.url ?? '/', 'http://server');
    const endpoint = endpoints.find(({ path }) => path === url?.pathname);
    if (url === null || endpoint === undefined) return refuse(socket, '404 Not Found');
    if (endpoint.draining) return refuse(socket, UNAVAILABLE);
    if (!originAllowed(request, allowedOrigins)) return refuse(socket, '403 Forbidden');
    const ip = ipOf(request);
    const admitted = admission.check(ip);
    if (!admitted.ok) return refuse(socket, admitted.status === 429 ? '429 Too Many Requests' : UNAVAILABLE, admitted.retryAfterMs);
    // The HTTP server has let go of it: a reset while it waits is ours to bear.
    socket.on('error', ignore);
    admission.enter(() => {
      socket.off('error', ignore);
      if (socket.destroyed) return;
      if (endpoint.draining) return refuse(socket, UNAVAILABLE);
      endpoint.accept({ request, socket, head, url, ip });
    });
  });
}

const UNAVAILABLE = '503 Service Unavailable';

function ignore(): void {}

/** The token that came with the upgrade. */
export function tokenOf({ request, url }: Pick<Upgrade, 'request' | 'url'>): string | null {
  return bearerOf(request.headers.authorization) ?? url.searchParams.get('token');
}

export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
}

/** The HTTP server has let go of the socket: what it does from here on, resets included, is ours to bear. */
function refuse(socket: Duplex, status: string, retryAfterMs?: number): void {
  const retryAfter = retryAfterMs === undefined ? '' : `Retry-After: ${Math.ceil(retryAfterMs / 1_000)}\r\n`;
  socket.on('error', ignore);
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\n${retryAfter}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** Exact match of scheme, host and port with the page's own server, or with the list. */
export function originAllowed(request: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin } = request.headers;
  return origin === undefined || allowed.includes('*') || allowed.includes(origin) || isOwnOrigin(request);
}

export function isOwnOrigin({ headers: { origin, host } }: IncomingMessage): boolean {
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}
