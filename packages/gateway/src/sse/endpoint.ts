import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { ChatError, type Mailbox, type TokenVerifier } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import type { Admission } from '../admission.ts';
import type { Gateway } from '../gateway.ts';
import type { Session } from '../session.ts';
import { bearerOf, isOwnOrigin, originAllowed, tokenOf } from '../upgrade.ts';
import { parseCursor } from './cursor.ts';
import { type Forwarded, forward, takeForwarded } from './forwarded.ts';
import { SseTransport } from './transport.ts';

/** Who knows it may send frames: it must not be guessed. */
const CONN_BYTES = 16;

/** Browsers come back by themselves after a time between these, so that not all do at once. */
const RETRY_MS = { min: 1_000, max: 8_000 };

/** Before what was refused may be tried again: for a server that goes away, and for answers that the client has to read first. */
const BUSY_RETRY_MS = 1_000;

const NO_CONNECTION = 'There is no such connection.';

export interface SseOptions {
  gateway: Gateway;
  verifier: TokenVerifier;
  clock: Clock;
  /** As for WebSockets. */
  allowedOrigins: readonly string[];
  admission: Admission;
  /** This node, and a way to ask the others: requests with frames may reach another node than the stream. */
  node?: string;
  mailbox?: Mailbox;
}

export interface EventStream {
  readonly request: IncomingMessage;
  /** Nothing of it was written yet; it is the endpoint's from here on. */
  readonly response: ServerResponse;
  /** To be sent with the endpoint's own. */
  readonly headers: OutgoingHttpHeaders;
  readonly ip: string;
}

/** The protocol over plain HTTP, for networks that block WebSocket: a stream of events down, requests with frames up. */
export class SseEndpoint {
  readonly #options: SseOptions;
  readonly #transports = new Map<string, SseTransport>();

  constructor(options: SseOptions) {
    this.#options = options;
    if (options.mailbox !== undefined) options.mailbox.onAsked = (question) => this.#asked(question as Forwarded);
  }

  /** Live streams. */
  get size(): number {
    return this.#transports.size;
  }

  /**
   * What lets a page of another origin read the answer.
   *
   * @throws ChatError forbidden  the origin may not connect
   */
  originHeaders(request: IncomingMessage): Readonly<Record<string, string>> {
    if (!originAllowed(request, this.#options.allowedOrigins)) throw new ChatError('forbidden', { say: 'This origin may not connect.' });
    const { origin } = request.headers;
    if (origin === undefined || isOwnOrigin(request)) return {};
    return { 'access-control-allow-origin': origin, 'access-control-expose-headers': 'retry-after, x-request-id', vary: 'origin' };
  }

  /**
   * Resolves when it has begun, in its turn.
   *
   * @throws ChatError server_busy | rate_limited | bad_frame  nothing was written
   */
  async open(stream: EventStream): Promise<void> {
    const { admission } = this.#options;
    // Its bytes would come in front of answers that are not written yet.
    if (stream.response.socket === null) throw new ChatError('bad_frame', { say: 'A stream needs a connection of its own.' });
    this.#checkDraining();
    const admitted = admission.check(stream.ip);
    if (!admitted.ok) {
      const code = admitted.status === 429 ? 'rate_limited' : 'server_busy';
      throw new ChatError(code, { say: 'Too many connections.', retryAfterMs: admitted.retryAfterMs });
    }
    await new Promise<void>((resolve, reject) => {
      admission.enter(() => {
        try {
          this.#checkDraining();
          if (!stream.request.socket.destroyed) this.#start(stream);
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #checkDraining(): void {
    if (this.#options.gateway.draining)
      throw new ChatError('server_busy', { say: 'The server is going away.', retryAfterMs: BUSY_RETRY_MS });
  }

  #start(stream: EventStream): void {
    const { gateway, clock } = this.#options;
    const { node } = this.#options;
    const conn = randomBytes(CONN_BYTES).toString('base64url') + (node === undefined ? '' : `.${node}`);
    const retryMs = RETRY_MS.min + Math.floor(Math.random() * (RETRY_MS.max - RETRY_MS.min));
    const transport = new SseTransport({ gateway, clock, socket: begin(stream), conn, retryMs });
    this.#transports.set(conn, transport);
    const session = (transport.session = gateway.open(transport, stream.ip));
    stream.request.socket.once('close', () => {
      this.#transports.delete(conn);
      gateway.ended(session);
    });
    this.#greet(transport, stream.request);
  }

  /**
   * Frames of the client of `conn`, in their order. The answers come on its stream.
   *
   * @throws ChatError not_found     there is no such connection, or no longer
   * @throws ChatError unauthorized  the token that came with them is no good
   * @throws ChatError forbidden     it is another user's
   * @throws ChatError server_busy   the client does not read its stream; none of them was taken
   */
  async receive(conn: string, frames: readonly unknown[], authorization: string | undefined): Promise<void> {
    const { node, mailbox, gateway, verifier } = this.#options;
    const its = conn.split('.')[1];
    const isHere = mailbox === undefined || its === undefined || its === node;
    if (isHere) this.#find(conn);
    else if (!mailbox.knows(its)) throw new ChatError('not_found', { say: NO_CONNECTION });
    const uid = authorization === undefined ? undefined : await this.#uidOf(authorization);
    if (isHere) return this.#take({ conn, frames, uid }, (session, frame) => gateway.handle(session, frame));
    const forwarded = await forward(frames, verifier);
    await mailbox.ask(its, { t: 'frames', conn, frames: forwarded, ...(uid === undefined ? {} : { uid }) } satisfies Forwarded);
  }

  async #asked({ t, conn, frames, uid }: Forwarded): Promise<void> {
    if (t !== 'frames') throw new ChatError('not_found');
    await this.#take({ conn, frames, uid }, (session, frame) => takeForwarded(this.#options.gateway, session, frame));
  }

  async #take<F>(
    { conn, frames, uid }: { conn: string; frames: readonly F[]; uid: string | undefined },
    handle: (session: Session, frame: F) => void,
  ): Promise<void> {
    if (uid !== undefined) await this.#checkUser(conn, uid);
    const transport = this.#find(conn);
    const { session } = transport;
    session.lastSeenAt = this.#options.clock.elapsed();
    if (transport.paused) throw new ChatError('server_busy', { say: 'The stream is not read.', retryAfterMs: BUSY_RETRY_MS });
    for (const frame of frames) {
      if (session.closed) return;
      if (isPing(frame)) transport.pings = true;
      handle(session, frame);
    }
  }

  async #uidOf(authorization: string): Promise<string> {
    const bearer = bearerOf(authorization);
    if (bearer === undefined) throw new ChatError('unauthorized');
    return (await this.#options.verifier.verify(bearer)).uid;
  }

  async #checkUser(conn: string, uid: string): Promise<void> {
    const { session } = this.#find(conn);
    await session.authenticating;
    if (session.actor !== undefined && session.actor.uid !== uid)
      throw new ChatError('forbidden', { say: 'The connection is of another user.' });
  }

  #find(conn: string) {
    const transport = this.#transports.get(conn);
    if (transport?.session === undefined || transport.session.closed) throw new ChatError('not_found', { say: NO_CONNECTION });
    return transport as SseTransport & { session: NonNullable<SseTransport['session']> };
  }

  #greet({ session }: SseTransport, request: IncomingMessage): void {
    const { gateway } = this.#options;
    const url = URL.parse(request.url ?? '/', 'http://server');
    if (session === undefined || session.closed || url === null) return;
    const { searchParams } = url;
    session.pulls = searchParams.get('pull') === '1';
    const cursor = [request.headers['last-event-id'] ?? []].flat()[0] || searchParams.get('lastEventId') || '';
    if (cursor !== '') {
      const convs = parseCursor(cursor);
      session.onReady = () => {
        if (convs === undefined) gateway.error(session, 'bad_frame', { msg: 'Last-Event-ID: is no cursor of this server' });
        else gateway.resume(session, convs);
      };
    }
    const token = tokenOf({ request, url });
    if (token !== null) void gateway.authenticate(session, token, searchParams.get('device')?.slice(0, 64) || undefined);
  }
}

/** Writes the head. What follows goes to the socket itself: the body ends with the connection, and has no chunks. */
function begin({ request, response, headers }: EventStream) {
  response.useChunkedEncodingByDefault = false;
  response.shouldKeepAlive = false;
  response.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    // nginx and its kin pass on what they get at once.
    'x-accel-buffering': 'no',
    connection: 'close',
  });
  response.flushHeaders();
  return request.socket;
}

/** As it came, or forwarded. */
function isPing(frame: unknown): boolean {
  const { t, frame: inner } = (frame ?? {}) as { t?: unknown; frame?: unknown };
  return t === 'ping' || (inner as { t?: unknown } | undefined)?.t === 'ping';
}
