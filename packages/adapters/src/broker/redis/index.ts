import type { Broker, Topic } from '@gapless/core';
import { ErrorReply } from '@redis/client';
import { type Line, type LineEvents, Untaken } from '../line.ts';
import { openRemoteBroker } from '../remote.ts';
import { destroy } from './client.ts';
import { openShards, type Shards } from './shards.ts';

/**
 * Redis cuts off a subscriber that lags by more (`client-output-buffer-limit pubsub`, 8 MiB for a minute by default). A value itself may
 * have 512 MiB.
 */
const PAYLOAD_MAX_BYTES = 4 * 1024 * 1024;

export interface RedisBrokerOptions {
  /** `redis://` or `rediss://`, with user and password when it asks for them. */
  url: string;
  /** SPUBLISH and SSUBSCRIBE, Redis 7: in a cluster a message stays in the shard of its channel. Default: plain, to all its nodes. */
  sharded?: boolean;
  onError?: (error: unknown) => void;
}

/** Redis pub/sub: one connection publishes, pipelined, and one listens; sharded, two for each shard. */
export function openRedisBroker({ url, sharded = false, onError }: RedisBrokerOptions): Promise<Broker> {
  return openRemoteBroker({ open: (events) => openLine({ url, sharded, events }), ...(onError && { onError }) });
}

/** `rt:room:r1` for the room r1; the name is taken as it is. */
export function channelOf({ kind, name }: Topic): string {
  return `${kind === 'room' || kind === 'user' ? 'rt' : 'gapless'}:${kind}:${name}`;
}

async function openLine({ url, sharded, events }: { url: string; sharded: boolean; events: LineEvents }): Promise<Line> {
  return new RedisLine(await openShards({ url, sharded, events }), { sharded, events });
}

class RedisLine implements Line {
  readonly payloadMaxBytes = PAYLOAD_MAX_BYTES;
  readonly #shards: Shards;
  readonly #sharded: boolean;
  readonly #events: LineEvents;
  readonly #untaken = new Untaken();

  constructor(shards: Shards, { sharded, events }: { sharded: boolean; events: LineEvents }) {
    this.#shards = shards;
    this.#sharded = sharded;
    this.#events = events;
  }

  publish(topic: Topic, payload: string, bytes: number): void {
    const channel = channelOf(topic);
    const { publisher } = this.#shards.of(channel);
    if (!publisher.isReady) throw new Error('the connection to Redis is lost');
    this.#untaken.add(bytes);
    // The answer is not waited for: by then listeners may have been called. What has no answer when the connection ends is told by `lost`.
    const answered = this.#sharded ? publisher.sPublish(channel, payload) : publisher.publish(channel, payload);
    const { lost, refused } = this.#events;
    answered.catch((error) => (isRefusal(error) ? refused(error) : lost(error))).finally(() => this.#untaken.taken(bytes));
  }

  async listen(topic: Topic, take: (payload: string) => void): Promise<void> {
    const channel = channelOf(topic);
    const { subscriber } = this.#shards.of(channel);
    if (this.#sharded) await subscriber.sSubscribe(channel, take);
    else await subscriber.subscribe(channel, take);
  }

  async unlisten(topic: Topic): Promise<void> {
    const channel = channelOf(topic);
    const { subscriber } = this.#shards.of(channel);
    if (this.#sharded) await subscriber.sUnsubscribe(channel);
    else await subscriber.unsubscribe(channel);
  }

  async check(): Promise<void> {
    await Promise.all(this.#shards.clients.map((client) => client.ping()));
  }

  /** Answers come in the order of what was asked. */
  async flush(): Promise<void> {
    await this.check();
  }

  async close(): Promise<void> {
    for (const client of this.#shards.clients) destroy(client);
  }
}

/** The server answered, and it is the right one: the message is lost, the connection is not. */
function isRefusal(error: unknown): boolean {
  return error instanceof ErrorReply && !/^(MOVED|ASK|CLUSTERDOWN)/.test(error.message);
}
