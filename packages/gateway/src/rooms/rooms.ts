import { type Broker, ChatError, type Log, type TokenVerifier, type Topic, type VerifiedToken } from '@gapless/core';
import { type Clock, TokenBucket } from '@gapless/kit';
import { FRAMES_BURST, FRAMES_PER_SEC, ROOM_FRAMES_WAITING_MAX } from '@gapless/protocol';
import { ENCODING, Frame } from '../frame.ts';
import { Strangers } from '../strangers.ts';
import { SLOTS } from '../watchdog.ts';
import { Channels } from './channels.ts';
import { closeFor, ROOM_CLOSES, type RoomClose } from './closes.ts';
import { type Joined, RoomConnection, type RoomTransport } from './connection.ts';
import {
  authOf,
  type Data,
  type DownType,
  envelope,
  isBearable,
  isRoomName,
  parseEnvelope,
  type RoomError,
  type UpEnvelope,
} from './envelope.ts';
import { RoomFlusher } from './flusher.ts';
import { ROOM_HANDLERS, type RoomContext } from './handlers.ts';
import { Heartbeat } from './heartbeat.ts';
import { Inbox } from './inbox.ts';
import type { RoomMetrics } from './metrics.ts';
import type { RoomPolicy } from './policy.ts';
import { type OverflowPolicy, SendQueue } from './send-queue.ts';

export interface RoomsDeps {
  broker: Broker;
  verifier: TokenVerifier;
  /** A verified token's user is created on first sight. */
  ensureSeen(token: VerifiedToken): Promise<void>;
  policy: RoomPolicy;
  queue: { max: number; overflow: OverflowPolicy };
  clock: Clock;
  log: Log;
  metrics: RoomMetrics;
  rateLimits: boolean;
}

/**
 * Ephemeral rooms: who is connected gets what is said, and nothing is kept. Everything goes through the broker, also to connections of
 * this process, so that one node is a cluster of one.
 *
 * Frames of a connection are handled one at a time, in order, each after what the one before waited for. A client beyond its rate is
 * read more slowly: the dialect has no word for a refusal.
 */
export class Rooms {
  readonly connections = new Set<RoomConnection>();
  readonly #deps: RoomsDeps;
  readonly #context: RoomContext;
  readonly #channels: Channels;
  readonly #flusher = new RoomFlusher();
  readonly #strangers = new Strangers();
  readonly #heartbeat: Heartbeat;
  #draining = false;
  #opened = 0;

  constructor(deps: RoomsDeps) {
    this.#deps = deps;
    this.#channels = new Channels(deps.broker, (connection, bytes) => this.#send(connection, bytes, { reply: false }));
    this.#context = {
      policy: deps.policy,
      channels: this.#channels,
      publish: (topic, type, from, data) => this.#publish(topic, type, from, data),
      pong: (connection) => this.#reply(connection, this.#envelope('pong')),
      joined: () => deps.metrics.joined(),
      leave: (connection, room) => this.#leave(connection, room),
    };
    this.#heartbeat = new Heartbeat(this, deps.clock);
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Topics that this node listens to. */
  get topics(): number {
    return this.#channels.size;
  }

  /** A new connection. It has to authenticate within the limit. */
  open(transport: RoomTransport, ip: string): RoomConnection {
    const { clock, metrics, rateLimits, queue } = this.#deps;
    const connection: RoomConnection = new RoomConnection({
      transport,
      inbox: new Inbox(transport, (error) => this.#failed(connection, error)),
      now: clock.elapsed(),
      slot: this.#opened++ % SLOTS,
      queue: new SendQueue({
        sink: transport,
        max: queue.max,
        policy: queue.overflow,
        gap: (dropped) => packet(envelope('system', clock.now(), { data: { dropped } })),
        onDropped: () => metrics.dropped(queue.overflow),
        onWritten: (messages) => metrics.delivered(messages),
      }),
    });
    if (rateLimits) connection.bucket = new TokenBucket({ perSec: FRAMES_PER_SEC, burst: FRAMES_BURST }, clock.elapsed());
    this.connections.add(connection);
    metrics.connectionOpened();
    if (rateLimits && (connection.stranger = this.#strangers.admit(ip)) === undefined) this.close(connection, 'too_many');
    return connection;
  }

  /** A token that came with the upgrade. Frames that come meanwhile wait. */
  authenticate(connection: RoomConnection, jwt: string): void {
    connection.inbox.push(() => this.#authenticate(connection, jwt));
  }

  /** One WebSocket message. Never throws. */
  receive(connection: RoomConnection, data: Uint8Array): void {
    if (connection.closed) return;
    connection.lastSeenAt = this.#deps.clock.elapsed();
    connection.inbox.push(() => this.#handle(connection, data));
    // What was read at once may be more than makes it pause, and by its rate it would take long.
    if (connection.bucket !== undefined && connection.inbox.length > ROOM_FRAMES_WAITING_MAX) this.close(connection, 'too_many');
  }

  /** The kernel took everything that was written to the connection. */
  drained(connection: RoomConnection): void {
    if (connection.closed) return;
    // Its pongs come behind what it has still to read; that it takes bytes is a sign of life.
    connection.lastSeenAt = this.#deps.clock.elapsed();
    connection.queue.flush();
  }

  /** The transport ended by itself. */
  ended(connection: RoomConnection): void {
    this.#forget(connection, 'client');
  }

  /** A notice of the app to everyone in a room. */
  async system(room: string, data: Data): Promise<void> {
    if (!isRoomName(room)) throw new ChatError('bad_frame', { say: 'room: is no name of a room' });
    if (!isBearable(data)) throw new ChatError('bad_frame', { say: 'data: is nested too deep, or has the key __proto__' });
    try {
      await this.#deps.broker.publish({ kind: 'room', name: room }, envelope('system', this.#deps.clock.now(), { room, data }));
    } catch (error) {
      throw new ChatError('server_busy', { say: 'The broker is not reachable; nothing was sent.', retryAfterMs: 1_000, cause: error });
    }
  }

  /** Ends live connections, for a sign-out. */
  signOut(matches: (connection: RoomConnection) => boolean): void {
    for (const connection of this.connections) if (matches(connection)) this.close(connection, 'unauthorized');
  }

  /** What waits for it is written first, as far as its kernel takes it. */
  close(connection: RoomConnection, reason: RoomClose): void {
    if (connection.closed) return;
    connection.queue.flush();
    const { code, say } = ROOM_CLOSES[reason];
    connection.transport.close(code, say);
    this.#forget(connection, reason);
  }

  /** Closes every connection at a time of its own within `spreadMs`. Resolves when all are gone. */
  async drain({ spreadMs }: { spreadMs: number }): Promise<void> {
    this.#draining = true;
    await Promise.all(
      [...this.connections].map(async (connection) => {
        await this.#deps.clock.sleep(Math.floor(Math.random() * spreadMs));
        this.close(connection, 'going_away');
      }),
    );
  }

  stop(): void {
    this.#heartbeat.close();
  }

  /** The client learns it from the close code. */
  #failed(connection: RoomConnection, error: unknown): void {
    const reason = closeFor(error);
    if (reason === 'internal') this.#deps.log.error({ err: error, uid: connection.actor?.uid }, 'rooms: a frame failed');
    this.close(connection, reason);
  }

  async #handle(connection: RoomConnection, data: Uint8Array): Promise<void> {
    await this.#admit(connection);
    if (connection.closed) return;
    const up = parseEnvelope(data);
    const jwt = up && authOf(up);
    if (jwt !== undefined) return this.#authenticate(connection, jwt);
    if (connection.actor === undefined) return this.close(connection, 'unauthorized');
    const error = await this.#dispatch(connection as Joined, up);
    if (error === undefined) return;
    this.#deps.metrics.errorOut(error);
    const room = up !== undefined && isRoomName(up.room) ? up.room : null;
    this.#reply(connection, this.#envelope('error', { room, data: { message: error } }));
  }

  async #dispatch(connection: Joined, up: UpEnvelope | undefined): Promise<RoomError | undefined> {
    const { metrics } = this.#deps;
    const handler = up && ROOM_HANDLERS.get(up.type);
    metrics.frameIn(handler === undefined ? 'other' : up!.type);
    if (up === undefined) return 'bad json';
    if (handler === undefined) return 'unknown type';
    return handler(this.#context, connection, up);
  }

  /** Resolves when the connection's rate allows a frame. */
  async #admit({ bucket }: RoomConnection): Promise<void> {
    const { clock } = this.#deps;
    for (let wait = bucket?.take(clock.elapsed()) ?? 0; wait > 0; wait = bucket!.take(clock.elapsed())) await clock.sleep(wait);
  }

  /** The first token opens the connection; a later one of the same user replaces it. */
  async #authenticate(connection: RoomConnection, jwt: string): Promise<void> {
    const token = await this.#deps.verifier.verify(jwt);
    if (connection.actor !== undefined && connection.actor.uid !== token.uid) return this.close(connection, 'unauthorized');
    // Before anything is waited for: a sign-out in between finds the connection by it.
    connection.token = token;
    await this.#deps.ensureSeen(token);
    if (connection.closed) return;
    connection.actor = { uid: token.uid, role: token.role };
    this.#known(connection);
    connection.own ??= this.#channels.enter({ kind: 'user', name: token.uid }, connection as Joined);
    await connection.own.opened;
    this.#reply(connection, this.#envelope('welcome', { data: { user_id: token.uid } }));
  }

  #leave(connection: Joined, room: string): void {
    const channel = connection.rooms.get(room)!;
    connection.rooms.delete(room);
    this.#deps.metrics.left();
    const { uid } = connection.actor;
    if (this.#channels.leave(channel, connection)) void this.#publish(channel.topic, 'user_left', uid, { user_id: uid });
  }

  /** Nothing is kept, so what the broker cannot take is gone: a line in the log, and rooms go on. */
  async #publish(topic: Topic, type: 'message' | 'direct' | 'user_joined' | 'user_left', from: string, data: Data): Promise<void> {
    try {
      await this.#deps.broker.publish(topic, this.#envelope(type, { room: topic.kind === 'room' ? topic.name : null, data, from }));
    } catch (error) {
      this.#deps.log.warn({ err: error, type }, 'rooms: the broker did not take a message');
    }
  }

  #envelope(type: DownType, keys?: Parameters<typeof envelope>[2]): string {
    return envelope(type, this.#deps.clock.now(), keys);
  }

  #reply(connection: RoomConnection, text: string): void {
    this.#send(connection, packet(text), { reply: true });
  }

  #send(connection: RoomConnection, bytes: Buffer, kind: { reply: boolean }): void {
    if (connection.closed) return;
    if (connection.queue.push(bytes, kind)) this.#flusher.mark(connection.queue);
    else this.close(connection, 'queue_overflow');
  }

  #known(connection: RoomConnection): void {
    if (connection.stranger !== undefined) this.#strangers.release(connection.stranger);
    connection.stranger = undefined;
  }

  #forget(connection: RoomConnection, reason: RoomClose | 'client'): void {
    if (connection.closed) return;
    connection.closed = true;
    this.#known(connection);
    connection.inbox.clear();
    this.connections.delete(connection);
    this.#flusher.forget(connection.queue);
    for (const room of connection.rooms.keys()) this.#leave(connection as Joined, room);
    if (connection.own !== undefined) this.#channels.leave(connection.own, connection as Joined);
    this.#deps.metrics.connectionClosed(reason);
  }
}

function packet(text: string): Buffer {
  return new Frame(text).bytes(ENCODING.json);
}
