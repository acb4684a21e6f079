import type { Broker, Topic } from '@gapless/core';
import { connect, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { natsServers } from '../../nats-servers.ts';
import { type Line, type LineEvents, Untaken } from '../line.ts';
import { openRemoteBroker } from '../remote.ts';
import { subjectOf } from './subject.ts';

const CONNECT_TIMEOUT_MS = 5_000;

export interface NatsBrokerOptions {
  /** `nats://` or `tls://`, several servers of one cluster with commas between; the first may have user and password, or a token alone. */
  url: string;
  onError?: (error: unknown) => void;
}

/** Core NATS: no streams, nothing is kept. */
export function openNatsBroker({ url, onError }: NatsBrokerOptions): Promise<Broker> {
  return openRemoteBroker({ open: (events) => openLine(url, events), ...(onError && { onError }) });
}

async function openLine(url: string, events: LineEvents): Promise<Line> {
  // Reconnecting, the client would keep what is published meanwhile and let it pour in late.
  const connection = await connect({ ...natsServers(url), reconnect: false, timeout: CONNECT_TIMEOUT_MS, ignoreClusterUpdates: true });
  void connection.closed().then((error) => events.lost(error ?? new Error('NATS closed the connection')));
  return new NatsLine(connection, events);
}

class NatsLine implements Line {
  readonly payloadMaxBytes: number;
  readonly #connection: NatsConnection;
  readonly #events: LineEvents;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #untaken = new Untaken();
  /** A round trip, shared by all that asked for one since the last was sent. */
  #answer: Promise<void> | undefined;
  /** A round trip is under way that tells what was taken. */
  #counting = false;

  constructor(connection: NatsConnection, events: LineEvents) {
    this.payloadMaxBytes = connection.info!.max_payload;
    this.#connection = connection;
    this.#events = events;
  }

  publish(topic: Topic, payload: string, bytes: number): void {
    this.#untaken.add(bytes);
    this.#connection.publish(subjectOf(topic), payload);
    if (!this.#counting) void this.#count();
  }

  async listen(topic: Topic, take: (payload: string) => void): Promise<void> {
    const subject = subjectOf(topic);
    const { promise: refused, reject } = Promise.withResolvers<never>();
    let listening = false;
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) take(message.string());
        else if (listening) this.#ended(subject, error);
        else reject(error);
      },
    });
    // The server refuses before it answers what was sent after.
    await Promise.race([this.#answered(), refused]);
    listening = true;
    this.#subscriptions.set(subject, subscription);
  }

  async unlisten(topic: Topic): Promise<void> {
    const subject = subjectOf(topic);
    this.#subscriptions.get(subject)?.unsubscribe();
    this.#subscriptions.delete(subject);
  }

  async check(): Promise<void> {
    await this.#connection.flush();
  }

  async flush(): Promise<void> {
    await this.#connection.flush();
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Resolves when the server has taken everything up to here. */
  #answered(): Promise<void> {
    this.#answer ??= Promise.resolve().then(() => {
      this.#answer = undefined;
      return this.#connection.flush();
    });
    return this.#answer;
  }

  async #count(): Promise<void> {
    this.#counting = true;
    try {
      while (this.#untaken.bytes > 0) {
        const bytes = this.#untaken.bytes;
        await this.#connection.flush();
        this.#untaken.taken(bytes);
      }
    } catch (error) {
      this.#events.lost(error);
    } finally {
      this.#counting = false;
    }
  }

  /** The server took the right to a subject away: whether it is back is found out by listening to everything again. */
  #ended(subject: string, error: Error): void {
    if (this.#subscriptions.has(subject)) this.#events.lost(error);
  }
}
