import type { Broker, Topic } from '@gapless/core';
import { Admin, Consumer, ProduceAcks, Producer } from '@platformatic/kafka';
import type { Line, LineEvents } from '../line.ts';
import { openRemoteBroker } from '../remote.ts';
import { checkTemplate, isPerRoom, type Place, placeOf, REST, ROOMS } from './place.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** Below the 1 MiB that Kafka takes by default (`message.max.bytes`), with room for the key and the frame of a batch. */
const PAYLOAD_MAX_BYTES = 1_000_000;
const TIMEOUT_MS = 5_000;

export interface KafkaBrokerOptions {
  /** `kafka://host:port`, several of one cluster with commas between. */
  url: string;
  /** Kafka topic of the rooms: one for all, keyed by room, or with `{room}` in it one for each. Default `rt.room.v1`. */
  topicTemplate?: string;
  onError?: (error: unknown) => void;
}

/** Kafka as a live broker: every node reads everything from the end on and takes what is listened to here. Topics are made when missing. */
export async function openKafkaBroker({ url, topicTemplate = ROOMS, onError }: KafkaBrokerOptions): Promise<Broker> {
  checkTemplate(topicTemplate);
  const bootstrapBrokers = url.replace(/^kafka:\/\//, '').split(',');
  return openRemoteBroker({ open: (events) => openLine({ bootstrapBrokers, topicTemplate, events }), ...(onError && { onError }) });
}

async function openLine(options: { bootstrapBrokers: string[]; topicTemplate: string; events: LineEvents }): Promise<Line> {
  const line = new KafkaLine(options);
  try {
    await line.open();
  } catch (error) {
    await line.close();
    throw error;
  }
  return line;
}

class KafkaLine implements Line {
  readonly payloadMaxBytes = PAYLOAD_MAX_BYTES;
  readonly #template: string;
  readonly #admin: Admin;
  readonly #producer: Producer;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #takers = new Map<string, (payload: string) => void>();

  constructor({ bootstrapBrokers, topicTemplate, events }: { bootstrapBrokers: string[]; topicTemplate: string; events: LineEvents }) {
    // No retries: what fails is the end of the line, and the next one starts with fresh metadata.
    const base = {
      clientId: 'gapless',
      bootstrapBrokers,
      retries: 0,
      timeout: TIMEOUT_MS,
      connectTimeout: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
    };
    this.#template = topicTemplate;
    this.#admin = new Admin(base);
    this.#producer = new Producer({ ...base, acks: ProduceAcks.LEADER });
    // It joins no group; the client asks for a name.
    const openConsumer = () => new Consumer({ ...base, groupId: 'gapless' });
    this.#reader = new Reader({ admin: this.#admin, openConsumer }, events, (place, payload) => this.#takers.get(keyOf(place))?.(payload));
    this.#writer = new Writer(this.#producer, events);
  }

  async open(): Promise<void> {
    await this.#reader.add(isPerRoom(this.#template) ? [REST] : [REST, this.#template]);
    // The producer's connection too, so that the first publication finds it.
    await this.#producer.connectToBrokers();
  }

  publish(topic: Topic, payload: string, bytes: number): void {
    this.#writer.write(placeOf(topic, this.#template), payload, bytes);
  }

  async listen(topic: Topic, take: (payload: string) => void): Promise<void> {
    const place = placeOf(topic, this.#template);
    this.#takers.set(keyOf(place), take);
    if (this.#isOwn(topic)) await this.#reader.add([place.topic]);
  }

  async unlisten(topic: Topic): Promise<void> {
    const place = placeOf(topic, this.#template);
    this.#takers.delete(keyOf(place));
    if (this.#isOwn(topic)) this.#reader.remove(place.topic);
  }

  async check(): Promise<void> {
    await this.#producer.metadata({ topics: [REST], forceUpdate: true });
  }

  async flush(): Promise<void> {
    await this.#writer.flush();
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#reader.stop(), this.#producer.close(), this.#admin.close()]);
  }

  /** It has a Kafka topic of its own. */
  #isOwn({ kind }: Topic): boolean {
    return kind === 'room' && isPerRoom(this.#template);
  }
}

function keyOf({ topic, key }: Place): string {
  return `${topic}/${key}`;
}
