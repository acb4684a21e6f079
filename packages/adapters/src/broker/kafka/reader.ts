import { setTimeout } from 'node:timers/promises';
import { type Admin, type Consumer, ListOffsetTimestamps } from '@platformatic/kafka';
import type { LineEvents } from '../line.ts';
import type { Place } from './place.ts';
import { isUnready, makeTopics } from './topics.ts';

/** How long Kafka may hold an answer back when there is nothing to tell. Only a topic that is added meanwhile waits for it. */
const FETCH_WAIT_MS = 250;
const FETCH_MAX_BYTES = 8 * 1024 * 1024;
const PARTITION_MAX_BYTES = 2 * 1024 * 1024;
/** Kafka answers that a topic is made before all of its nodes know it. */
const READY_TIMEOUT_MS = 10_000;
const READY_POLL_MS = 20;
/** What ends again so soon does not pass by itself: the connection is given up, and tried again with backoff. */
const RESTART_MIN_MS = 1_000;
/** Not known: the leader is not asked to compare. */
const NO_EPOCH = -1;

type Fetch = Parameters<Consumer['fetch']>[0];
type Fetched = Awaited<ReturnType<Consumer['fetch']>>;
type Batches = NonNullable<Fetched['responses'][number]['partitions'][number]['records']>;

interface Partition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly leader: number;
  /** The next one to read. */
  offset: bigint;
}

/**
 * Reads topics from their end on, all partitions, without a group: there is nothing to agree on with other nodes, and nothing to wait for
 * when one comes or goes. One loop per Kafka node that leads a partition.
 */
export class Reader {
  readonly #admin: Admin;
  readonly #openConsumer: () => Consumer;
  #consumer: Consumer;
  readonly #events: LineEvents;
  readonly #take: (place: Place, payload: string) => void;
  readonly #wanted = new Set<string>();
  /** By topic. */
  readonly #partitions = new Map<string, Partition[]>();
  readonly #nodes = new Set<number>();
  /** A restart ends the loops before it. */
  #turn = 0;
  #restartedAt = Number.NEGATIVE_INFINITY;

  constructor(clients: { admin: Admin; openConsumer: () => Consumer }, events: LineEvents, take: (place: Place, payload: string) => void) {
    this.#admin = clients.admin;
    this.#openConsumer = clients.openConsumer;
    this.#consumer = clients.openConsumer();
    this.#events = events;
    this.#take = take;
  }

  /** Resolves when everything written from here on will be read. Makes those that are not there. */
  async add(topics: string[]): Promise<void> {
    for (const topic of topics) this.#wanted.add(topic);
    await makeTopics(this.#admin, topics);
    await this.#begin(topics);
  }

  remove(topic: string): void {
    this.#wanted.delete(topic);
    this.#partitions.delete(topic);
    this.#consumer.topics.untrack(topic);
  }

  async stop(): Promise<void> {
    this.#wanted.clear();
    this.#halt();
    await this.#consumer.close(true);
  }

  #halt(): void {
    this.#turn++;
    this.#nodes.clear();
    this.#partitions.clear();
  }

  async #begin(topics: string[]): Promise<void> {
    const ends = await this.#readyEnds(topics);
    for (const [topic, partitions] of ends) {
      if (!this.#wanted.has(topic)) continue;
      if (!this.#consumer.topics.has(topic)) this.#consumer.topics.track(topic);
      this.#partitions.set(topic, partitions);
    }
    for (const { leader } of [...ends.values()].flat()) if (!this.#nodes.has(leader)) this.#start(leader);
  }

  #start(node: number): void {
    this.#nodes.add(node);
    const turn = this.#turn;
    this.#loop(node, turn).catch((error) => {
      if (turn === this.#turn) void this.#restart(error);
    });
  }

  async #loop(node: number, turn: number): Promise<void> {
    while (turn === this.#turn) {
      const partitions = [...this.#partitions.values()].flat().filter(({ leader }) => leader === node);
      if (partitions.length === 0) break;
      const limits = { maxWaitTime: FETCH_WAIT_MS, minBytes: 1, maxBytes: FETCH_MAX_BYTES };
      const response = await this.#consumer.fetch({ node, topics: partitions.map(toRequest), ...limits });
      if (turn === this.#turn) this.#takeAll(response, partitions);
    }
    if (turn === this.#turn) this.#nodes.delete(node);
  }

  /** What may pass by itself: a partition has another leader, a topic was made anew, its end was cut off. */
  async #restart(error: unknown): Promise<void> {
    this.#halt();
    if (performance.now() - this.#restartedAt < RESTART_MIN_MS) return this.#events.lost(error);
    this.#consumer.close(true).catch(() => {});
    // After an answer with an error in it the client's fetch session is not the server's any more.
    this.#consumer = this.#openConsumer();
    try {
      await makeTopics(this.#admin, [...this.#wanted]);
      await this.#begin([...this.#wanted]);
    } catch (failure) {
      return this.#events.lost(failure);
    }
    this.#restartedAt = performance.now();
    this.#events.restarted(error);
  }

  #takeAll(response: Fetched, partitions: Partition[]): void {
    for (const { topicId, partitions: answers } of response.responses) {
      for (const { partitionIndex, records } of answers) {
        const read = partitions.find((item) => item.topicId === topicId && item.partition === partitionIndex);
        if (read !== undefined) this.#takeRecords(read, records ?? []);
      }
    }
  }

  #takeRecords(read: Partition, batches: Batches): void {
    for (const { firstOffset, lastOffsetDelta, records } of batches) {
      for (const { key, value, offsetDelta } of records) {
        // The topic was left meanwhile; it may even be read again, from another place.
        if (this.#partitions.get(read.topic)?.includes(read) !== true) return;
        // A batch comes whole, also when it is asked for from its middle.
        if (firstOffset + BigInt(offsetDelta) < read.offset) continue;
        if (key !== null && value !== null) this.#take({ topic: read.topic, key: key.toString() }, value.toString());
      }
      read.offset = firstOffset + BigInt(lastOffsetDelta) + 1n;
    }
  }

  async #readyEnds(topics: string[]): Promise<Map<string, Partition[]>> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    for (;;) {
      try {
        return await this.#ends(topics);
      } catch (error) {
        if (!isUnready(error) || Date.now() > deadline) throw error;
      }
      await setTimeout(READY_POLL_MS);
    }
  }

  async #ends(topics: string[]): Promise<Map<string, Partition[]>> {
    const metadata = await this.#admin.metadata({ topics, forceUpdate: true });
    const asked = topics.map((name) => ({
      name,
      partitions: metadata.topics
        .get(name)!
        .partitions.map((_, partitionIndex) => ({ partitionIndex, timestamp: ListOffsetTimestamps.LATEST })),
    }));
    const ends = await this.#admin.listOffsets({ topics: asked });
    return new Map(
      ends.map(({ name: topic, partitions }) => {
        const { id: topicId, partitions: leaders } = metadata.topics.get(topic)!;
        const at = partitions.map(({ partitionIndex: partition, offset }) => ({
          topic,
          topicId,
          partition,
          leader: leaders[partition]!.leader,
          offset,
        }));
        return [topic, at];
      }),
    );
  }
}

function toRequest({ topicId, partition, offset }: Partition): Fetch['topics'][number] {
  const limits = { currentLeaderEpoch: NO_EPOCH, lastFetchedEpoch: NO_EPOCH, partitionMaxBytes: PARTITION_MAX_BYTES };
  return { topicId, partitions: [{ partition, fetchOffset: offset, ...limits }] };
}
