import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Codec, FRAGMENTS_MAX, FRAME_MAX_BYTES, jsonCodec, msgpackCodec } from '@gapless/protocol';
import { type RawData, type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { ENCODING, type Encoding, PING } from './frame.ts';
import type { Gateway } from './gateway.ts';
import type { Session, Transport } from './session.ts';

export interface WebSocketOptions {
  gateway: Gateway;
  path?: string;
  /** Origins that may connect besides the server's own; `*` for any. Clients without an Origin are no browsers and need a token anyway. */
  allowedOrigins: readonly string[];
  maxConnections: number;
  /** Address of the client, behind trusted proxies too. */
  ipOf(request: IncomingMessage): string;
}

/** How long a peer may take to answer a close before the socket is torn down. */
const CLOSE_TIMEOUT_MS = 2_000;

/** Chunks of one message that wait for the rest; bounds what a slow sender of small pieces pins. */
const BUFFERED_CHUNKS_MAX = 256;

/** Serves the protocol on WebSockets of `server`. There is nothing to upgrade to on other paths. */
export function serveWebSocket(server: Server, { gateway, path = '/ws', allowedOrigins, maxConnections, ipOf }: WebSocketOptions): void {
  const options: ServerOptions<typeof LiveSocket> & { closeTimeout: number; maxFragments: number; maxBufferedChunks: number } = {
    noServer: true,
    clientTracking: false,
    // Each context would cost 100 KB and more; text this short gains little.
    perMessageDeflate: false,
    maxPayload: FRAME_MAX_BYTES,
    maxFragments: FRAGMENTS_MAX,
    maxBufferedChunks: BUFFERED_CHUNKS_MAX,
    closeTimeout: CLOSE_TIMEOUT_MS,
    WebSocket: LiveSocket,
    handleProtocols: (offered) => [...offered].find((name) => name === jsonCodec.subprotocol || name === msgpackCodec.subprotocol) ?? false,
  };
  const wss = new WebSocketServer(options);

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = URL.parse(request.url ?? '/', 'http://server');
    if (url?.pathname !== path) return refuse(socket, '404 Not Found');
    if (gateway.draining || gateway.sessions.size >= maxConnections) return refuse(socket, '503 Service Unavailable');
    if (!originAllowed(request, allowedOrigins)) return refuse(socket, '403 Forbidden');
    wss.handleUpgrade(request, socket, head, (ws) => (ws as LiveSocket).start(gateway, request, url, ipOf(request)));
  });
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

/**
 * A WebSocket that is its own transport: the library parses and does the handshakes of open and close, frames are written to the
 * socket as they come from the hub. Listeners are shared functions, so that an idle connection holds no closures.
 */
class LiveSocket extends WebSocket implements Transport {
  #gateway!: Gateway;
  #session!: Session;
  #raw!: Socket;
  #codec: Codec = jsonCodec;
  encoding: Encoding = ENCODING.json;

  start(gateway: Gateway, request: IncomingMessage, url: URL, ip: string): void {
    this.#gateway = gateway;
    this.#raw = request.socket;
    if (this.protocol === msgpackCodec.subprotocol) {
      this.#codec = msgpackCodec;
      this.encoding = ENCODING.msgpack;
    } else if (url.searchParams.get('batch') === '1') this.encoding = ENCODING.jsonBatch;
    this.#session = gateway.open(this, ip);
    this.on('message', onMessage).on('pong', onPong).on('ping', onPong).on('error', onError).on('close', onClose);
    this.#raw.on('drain', onDrain.bind(this));
    const token = bearer(request) ?? url.searchParams.get('token');
    if (token !== null) void gateway.authenticate(this.#session, token, url.searchParams.get('device')?.slice(0, 64) || undefined);
  }

  receive(data: RawData, binary: boolean): void {
    // A message of the wrong kind is not in this connection's codec: the empty one is in none.
    this.#gateway.receive(this.#session, binary === this.#codec.binary ? (data as Buffer) : NOTHING, this.#codec);
  }

  seen(): void {
    this.#session.lastSeenAt = Date.now();
  }

  ended(): void {
    this.#gateway.ended(this.#session);
  }

  drained(): void {
    this.#gateway.drained(this.#session);
  }

  get bufferedBytes(): number {
    return this.#raw.writableLength;
  }

  write(bytes: Buffer): void {
    if (this.readyState === WebSocket.OPEN) this.#raw.write(bytes);
  }

  override ping(): void {
    this.write(PING);
  }

  /** The socket tells of a drain only above its own mark, which may be the higher one: an empty write comes through behind all the rest. */
  pauseReading(): void {
    this.pause();
    if (!this.#raw.writableNeedDrain) this.#raw.write(NOTHING, () => this.drained());
  }

  resumeReading(): void {
    this.resume();
  }
}

const NOTHING = Buffer.alloc(0);

function onMessage(this: WebSocket, data: RawData, binary: boolean): void {
  (this as LiveSocket).receive(data, binary);
}

function onPong(this: WebSocket): void {
  (this as LiveSocket).seen();
}

/** The library closes with the right code (1002, 1007, 1009); there is nothing to add. */
function onError(): void {}

function onClose(this: WebSocket): void {
  (this as LiveSocket).ended();
}

function onDrain(this: LiveSocket): void {
  this.drained();
}

function bearer({ headers }: IncomingMessage): string | null {
  const match = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '');
  return match?.[1] ?? null;
}
