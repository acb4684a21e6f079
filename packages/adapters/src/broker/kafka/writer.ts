import type { Producer } from '@platformatic/kafka';
import { type LineEvents, Untaken } from '../line.ts';
import type { Place } from './place.ts';
import { isErrorOf, isUnknownTopic } from './topics.ts';

/**
 * Of one request: Kafka takes about 1 MiB per partition (`message.max.bytes`), and all of it may be of one partition. A larger payload
 * goes alone.
 */
const BATCH_MAX_BYTES = 512 * 1024;

interface Waiting {
  readonly place: Place;
  readonly payload: string;
  readonly bytes: number;
}

/** Publishes in the order of the calls. One request at a time; what comes meanwhile goes together with the next: no timer, and no linger. */
export class Writer {
  readonly #producer: Producer;
  readonly #events: LineEvents;
  readonly #untaken = new Untaken();
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor(producer: Producer, events: LineEvents) {
    this.#producer = producer;
    this.#events = events;
  }

  write(place: Place, payload: string, bytes: number): void {
    this.#untaken.add(bytes);
    this.#waiting.push({ place, payload, bytes });
    this.#writing ??= this.#drain();
  }

  async flush(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    // Whatever else is published in this turn goes along.
    await undefined;
    try {
      while (this.#waiting.length > 0) await this.#send(this.#take());
    } catch (error) {
      this.#events.lost(error);
    } finally {
      this.#writing = undefined;
    }
  }

  #take(): Waiting[] {
    let bytes = 0;
    const end = this.#waiting.findIndex((item) => (bytes += item.bytes) > BATCH_MAX_BYTES);
    const batch = end === -1 ? this.#waiting : this.#waiting.slice(0, Math.max(1, end));
    this.#waiting = end === -1 ? [] : this.#waiting.slice(batch.length);
    return batch;
  }

  async #send(batch: Waiting[]): Promise<void> {
    const topics = Map.groupBy(batch, ({ place }) => place.topic);
    try {
      await Promise.all([...topics.values()].map((items) => this.#produce(items)));
    } finally {
      for (const { bytes } of batch) this.#untaken.taken(bytes);
    }
  }

  async #produce(items: Waiting[]): Promise<void> {
    const messages = items.map(({ place, payload }) => ({ topic: place.topic, key: Buffer.from(place.key), value: Buffer.from(payload) }));
    try {
      await this.#producer.send({ messages });
    } catch (error) {
      // Who listens makes the topic, so nobody does.
      if (isUnknownTopic(error)) return;
      if (!isErrorOf(REFUSALS, error)) throw error;
      this.#events.refused(error);
    }
  }
}

/** Of these messages only: another connection would not change it. */
const REFUSALS = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'TOPIC_AUTHORIZATION_FAILED'];
