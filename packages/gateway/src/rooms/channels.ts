import type { Broker, Topic } from '@gapless/core';
import { ENCODING, Frame } from '../frame.ts';
import type { Joined, RoomConnection } from './connection.ts';

/** A topic with connections in this process. */
export class Channel {
  readonly topic: Topic;
  readonly connections = new Set<RoomConnection>();
  /** Resolves when what is published from then on comes in, to what ends that. */
  readonly opened: Promise<() => void>;
  /** Connections of each user here. */
  readonly #counts = new Map<string, number>();
  /** Users whose coming was told. */
  readonly #announced = new Set<string>();

  constructor(topic: Topic, subscribe: (channel: Channel) => Promise<() => void>) {
    this.topic = topic;
    this.opened = subscribe(this);
    // Who waits for it hears of a failure; when nobody does any more there is nothing to say.
    this.opened.catch(() => {});
  }

  add(connection: Joined): void {
    const { uid } = connection.actor;
    this.connections.add(connection);
    this.#counts.set(uid, (this.#counts.get(uid) ?? 0) + 1);
  }

  /** Whether it was the last connection of a user whose coming was told. */
  remove(connection: Joined): boolean {
    const { uid } = connection.actor;
    this.connections.delete(connection);
    const left = this.#counts.get(uid)! - 1;
    if (left > 0) {
      this.#counts.set(uid, left);
      return false;
    }
    this.#counts.delete(uid);
    return this.#announced.delete(uid);
  }

  /** Whether the user's coming is to be told now: once, however many connections. */
  announce(uid: string): boolean {
    if (!this.#counts.has(uid) || this.#announced.has(uid)) return false;
    this.#announced.add(uid);
    return true;
  }
}

/** The topics that connections of this process listen to. One without connections is gone. */
export class Channels {
  readonly #broker: Broker;
  readonly #send: (connection: RoomConnection, bytes: Buffer) => void;
  readonly #channels = new Map<string, Channel>();

  constructor(broker: Broker, send: (connection: RoomConnection, bytes: Buffer) => void) {
    this.#broker = broker;
    this.#send = send;
  }

  get size(): number {
    return this.#channels.size;
  }

  enter(topic: Topic, connection: Joined): Channel {
    const key = keyOf(topic);
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = new Channel(topic, (opened) => this.#broker.subscribe(topic, (payload) => this.#deliver(opened, payload)));
      this.#channels.set(key, channel);
    }
    channel.add(connection);
    return channel;
  }

  /** Whether it was the last connection of a user whose coming was told. */
  leave(channel: Channel, connection: Joined): boolean {
    const last = channel.remove(connection);
    if (channel.connections.size > 0) return last;
    this.#channels.delete(keyOf(channel.topic));
    void channel.opened.then(
      (stop) => stop(),
      () => {},
    );
    return last;
  }

  /** Encoded once for all connections. */
  #deliver(channel: Channel, payload: string): void {
    if (channel.connections.size === 0) return;
    const bytes = new Frame(payload).bytes(ENCODING.json);
    for (const connection of channel.connections) this.#send(connection, bytes);
  }
}

function keyOf({ kind, name }: Topic): string {
  return `${kind}:${name}`;
}
