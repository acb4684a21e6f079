import { setTimeout } from 'node:timers/promises';
import type { CloudEvent, EventBus } from '@gapless/core';
import { Admin, compatibilityPartitioner, ListOffsetTimestamps, Producer } from '@platformatic/kafka';
import { HeldLine } from '../held-line.ts';

export interface KafkaBusOptions {
  /** `kafka://host:port`, several of one cluster with commas between. */
  url: string;
  /** `gapless.events` by default. Made, as the cluster's defaults are, when it is not there. */
  topic?: string;
  /** Told of each connection that could not be made or failed; for the log. */
  onError?: (error: unknown) => void;
}

/** For connecting, and for each answer of the server. */
const TIMEOUT_MS = 5_000;
/** Of the client itself, for what passes by itself: a leader that changes. Any fewer, and an idempotent producer would try for ever. */
const RETRIES = 2;
const RETRY_DELAY_MS = 200;
/** Kafka answers that a topic is made, or a node is up, before its partitions take anything. */
const READY_TIMEOUT_MS = 10_000;
const READY_POLL_MS = 50;
const LATEST = ListOffsetTimestamps.LATEST;
/** As the parts of a large store, or more: each worker can write where no other does. */
const PARTITIONS = 16;
/** The cluster's own default. */
const REPLICAS = -1;
/** Of one request: Kafka takes about 1 MiB per partition (`message.max.bytes`), and all of it may be of one partition. */
const REQUEST_MAX_BYTES = 512 * 1024;

/**
 * The event bus on a Kafka topic: the conversation is the key, hashed as Java's clients do it; structured CloudEvents. Acknowledged by all
 * replicas in sync. Opening does not need the server: it may come later, and chat does not wait for it.
 */
export async function openKafkaBus({ url, topic = 'gapless.events', onError = () => {} }: KafkaBusOptions): Promise<EventBus> {
  const bootstrapBrokers = url.replace(/^kafka:\/\//, '').split(',');
  const line = new HeldLine({ open: () => openLine(bootstrapBrokers, topic), onError });
  const bus: EventBus = {
    publish: (events) => line.use((open) => open.publish(events)),
    check: () => line.use((open) => open.check()),
    close: () => line.close(),
  };
  await bus.check().catch(() => {});
  return bus;
}

async function openLine(bootstrapBrokers: string[], topic: string): Promise<KafkaLine> {
  const line = new KafkaLine(bootstrapBrokers, topic);
  try {
    await line.open();
    return line;
  } catch (error) {
    await line.close();
    throw error;
  }
}

type Message = ReturnType<typeof messageOf>;

class KafkaLine {
  readonly #topic: string;
  readonly #admin: Admin;
  readonly #producer: Producer;
  /** Requests wait for each other: the numbers that an idempotent producer gives its batches must arrive in order. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(bootstrapBrokers: string[], topic: string) {
    const base = {
      clientId: 'gapless-events',
      bootstrapBrokers,
      timeout: TIMEOUT_MS,
      connectTimeout: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
      retryDelay: RETRY_DELAY_MS,
    };
    this.#topic = topic;
    this.#admin = new Admin({ ...base, retries: 0 });
    this.#producer = new Producer({ ...base, retries: RETRIES, idempotent: true, partitioner: compatibilityPartitioner });
  }

  /** Resolves when the topic takes events. */
  async open(): Promise<void> {
    if (!(await this.#isThere())) await this.#make();
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      try {
        return await this.check();
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
      await setTimeout(READY_POLL_MS);
    }
  }

  /** In order also where a part fails: what is behind it is not sent, and a request is taken as a whole in each partition. */
  async publish(events: readonly CloudEvent[]): Promise<void> {
    const messages = events.map((event) => messageOf(this.#topic, event));
    for (const request of inRequests(messages)) await this.#inTurn(() => this.#producer.send({ messages: request }));
  }

  /** Asks the leader of each partition. */
  async check(): Promise<void> {
    const metadata = await this.#admin.metadata({ topics: [this.#topic], forceUpdate: true });
    const partitions = metadata.topics.get(this.#topic)!.partitions.map((_, partitionIndex) => ({ partitionIndex, timestamp: LATEST }));
    await this.#admin.listOffsets({ topics: [{ name: this.#topic, partitions }] });
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#producer.close(true), this.#admin.close()]);
  }

  async #make(): Promise<void> {
    try {
      await this.#admin.createTopics({ topics: [this.#topic], partitions: PARTITIONS, replicas: REPLICAS });
    } catch (error) {
      // Another node may have made it meanwhile.
      if (!(await this.#isThere())) throw error;
    }
  }

  async #isThere(): Promise<boolean> {
    return (await this.#admin.listTopics()).includes(this.#topic);
  }

  async #inTurn(task: () => Promise<unknown>): Promise<void> {
    // Who waits behind a failure fails by itself: the line is closed then.
    const turn = this.#last.then(task, task);
    this.#last = turn.catch(() => {});
    await turn;
  }
}

function messageOf(topic: string, event: CloudEvent) {
  return {
    topic,
    key: Buffer.from(event.partitionkey),
    value: Buffer.from(JSON.stringify(event)),
    headers: new Map([[Buffer.from('content-type'), Buffer.from('application/cloudevents+json')]]),
  };
}

function inRequests(messages: readonly Message[]): Message[][] {
  const requests: Message[][] = [];
  let bytes = REQUEST_MAX_BYTES;
  for (const message of messages) {
    const size = message.key.length + message.value.length;
    if (bytes + size > REQUEST_MAX_BYTES) {
      requests.push([]);
      bytes = 0;
    }
    requests.at(-1)!.push(message);
    bytes += size;
  }
  return requests;
}
