import { randomUUID } from 'node:crypto';
import type { CloudEvent } from '@gapless/core';
import type { BusRecord } from './bus.ts';

// What is on a real server, by readers of their own. The clients are loaded by who needs them.

/** All events of a source, from the oldest in the stream on, once there are `count` different ones and nothing more is there. */
export async function readNatsEvents(url: string, source: string, count: number): Promise<BusRecord[]> {
  const { connect } = await import('@nats-io/transport-node');
  const { DeliverPolicy, jetstream } = await import('@nats-io/jetstream');
  const connection = await connect({ servers: url });
  const consumer = await jetstream(connection).consumers.get('GAPLESS_EVENTS', { deliver_policy: DeliverPolicy.All });
  const found = new Found(source);
  for await (const message of await consumer.consume()) {
    const event: CloudEvent = message.json();
    if (message.subject !== `gapless.events.${event.type}`) throw new Error(`${event.type} has come by ${message.subject}`);
    found.add({ event, contentType: message.headers?.get('content-type') });
    if (found.different >= count && message.info.pending === 0) break;
  }
  await connection.close();
  return found.records;
}

/** All events of a source, from the oldest in the topic on, until there are `count` different ones. */
export async function readKafkaEvents(url: string, source: string, count: number): Promise<BusRecord[]> {
  const { Consumer, stringDeserializers } = await import('@platformatic/kafka');
  const base = { clientId: 'reader', bootstrapBrokers: [url.replace('kafka://', '')], groupId: randomUUID() };
  const consumer = new Consumer({ ...base, deserializers: stringDeserializers });
  const stream = await consumer.consume({ topics: ['gapless.events'], mode: 'earliest', fallbackMode: 'earliest', maxWaitTime: 200 });
  const found = new Found(source);
  for await (const { key, value, headers } of stream) {
    const event: CloudEvent = JSON.parse(value);
    if (key !== event.partitionkey) throw new Error(`${event.partitionkey} has come under the key ${key}`);
    found.add({ event, contentType: headers.get('content-type') });
    if (found.different >= count) break;
  }
  await consumer.close(true);
  return found.records;
}

class Found {
  readonly records: BusRecord[] = [];
  readonly #source: string;
  readonly #ids = new Set<string>();

  constructor(source: string) {
    this.#source = source;
  }

  get different(): number {
    return this.#ids.size;
  }

  add(record: BusRecord): void {
    if (record.event.source !== this.#source) return;
    this.records.push(record);
    this.#ids.add(record.event.id);
  }
}
