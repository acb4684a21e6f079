import type { CloudEvent, EventBus } from '@gapless/core';
import { JetStreamApiError, type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection, nanos } from '@nats-io/transport-node';
import { natsServers } from '../../nats-servers.ts';
import { publishByKey } from '../by-key.ts';
import { HeldLine } from '../held-line.ts';

const DAY_MS = 24 * 60 * 60_000;

export interface NatsBusOptions {
  /** `nats://` or `tls://`, several servers of one cluster with commas between; the first may have user and password, or a token alone. */
  url: string;
  /** `GAPLESS_EVENTS` by default. Made, with file storage, when it is not there; one that is there is left as it is. */
  stream?: string;
  /** Servers that keep each event, of a stream that is made. One by default. */
  replicas?: number;
  /** How long an event stays, in a stream that is made. 7 days by default, as in Kafka; 0: for ever. */
  maxAgeMs?: number;
  /** Told of each connection that could not be made or failed; for the log. */
  onError?: (error: unknown) => void;
}

/** For connecting, and for each answer of the server. What took longer is an unknown outcome, and is published again. */
const TIMEOUT_MS = 5_000;
/** A server that went without a word is noticed after two of these. */
const PING_MS = 10_000;
/** In which the stream drops what it has seen: an event that was published again. */
const DUPLICATE_WINDOW_MS = 120_000;

const SUBJECT = 'gapless.events';
const STREAM_NOT_FOUND = 10_059;

/**
 * The event bus on a JetStream stream: subject `gapless.events.<type>`, structured CloudEvents.
 *
 * A publication waits for the one before of its conversation: on a server whose stream is not up yet, or when its leader changes, one can
 * be refused and the next taken. Opening does not need the server: it may come later, and chat does not wait for it.
 */
export async function openNatsBus({
  url,
  stream = 'GAPLESS_EVENTS',
  replicas = 1,
  maxAgeMs = 7 * DAY_MS,
  onError = () => {},
}: NatsBusOptions): Promise<EventBus> {
  const line = new HeldLine({ open: () => openLine(url, { stream, replicas, maxAgeMs }), onError });
  const bus: EventBus = {
    publish: (events) => line.use(({ client }) => publishByKey(events, (event) => publish(client, event))),
    check: () => line.use(async ({ manager }) => void (await manager.streams.info(stream))),
    close: () => line.close(),
  };
  await bus.check().catch(() => {});
  return bus;
}

class NatsLine {
  readonly manager: JetStreamManager;
  readonly client: JetStreamClient;
  readonly #connection: NatsConnection;

  constructor(connection: NatsConnection, manager: JetStreamManager) {
    this.#connection = connection;
    this.manager = manager;
    this.client = jetstream(connection, { timeout: TIMEOUT_MS });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

async function openLine(url: string, plan: StreamPlan): Promise<NatsLine> {
  // Reconnecting, the client would keep what is published meanwhile and let it pour in late.
  const connection = await connect({
    ...natsServers(url),
    reconnect: false,
    timeout: TIMEOUT_MS,
    pingInterval: PING_MS,
    ignoreClusterUpdates: true,
  });
  try {
    const manager = await jetstreamManager(connection, { timeout: TIMEOUT_MS });
    await ensureStream(manager, plan);
    return new NatsLine(connection, manager);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

interface StreamPlan {
  readonly stream: string;
  readonly replicas: number;
  readonly maxAgeMs: number;
}

async function ensureStream({ streams }: JetStreamManager, { stream, replicas, maxAgeMs }: StreamPlan): Promise<void> {
  try {
    await streams.info(stream);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NOT_FOUND) throw error;
    await streams.add({
      name: stream,
      subjects: [`${SUBJECT}.>`],
      storage: 'file',
      num_replicas: replicas,
      max_age: nanos(maxAgeMs),
      // The server wants it no longer than the age.
      duplicate_window: nanos(maxAgeMs === 0 ? DUPLICATE_WINDOW_MS : Math.min(DUPLICATE_WINDOW_MS, maxAgeMs)),
    });
  }
}

async function publish(client: JetStreamClient, event: CloudEvent): Promise<void> {
  const fields = headers();
  fields.set('content-type', 'application/cloudevents+json');
  const options = { msgID: `${event.source} ${event.id}`, headers: fields, timeout: TIMEOUT_MS };
  await client.publish(`${SUBJECT}.${event.type}`, JSON.stringify(event), options);
}
