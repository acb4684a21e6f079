import { ErrorReply, type RedisClientType } from '@redis/client';
import type { LineEvents } from '../line.ts';
import { connect, destroy } from './client.ts';
import { SLOTS, slotOf } from './slot.ts';

/** One for what is published, and one that listens: pushed messages must not wait behind answers, nor the other way. */
export interface Shard {
  readonly publisher: RedisClientType;
  readonly subscriber: RedisClientType;
}

/** The connections of one line. The client's own cluster mode repairs itself, unseen; here a change of the cluster is the end of the line. */
export interface Shards {
  of(channel: string): Shard;
  readonly clients: readonly RedisClientType[];
}

/** Rejects unless all are connected. */
export async function openShards({ url, sharded, events }: { url: string; sharded: boolean; events: LineEvents }): Promise<Shards> {
  const opened: RedisClientType[] = [];
  const open = async (at: string) => {
    const client = await connect(at, events);
    opened.push(client);
    return client;
  };
  try {
    const ranges = sharded ? await findShards(url, await open(url)) : undefined;
    const shards = new Map<string, Shard>();
    for (const at of new Set(ranges?.map((range) => range.url) ?? [url])) {
      shards.set(at, { publisher: await open(at), subscriber: await open(at) });
    }
    if (ranges === undefined) return { of: () => shards.get(url)!, clients: opened };
    const slots: (Shard | undefined)[] = Array(SLOTS);
    for (const range of ranges) slots.fill(shards.get(range.url), range.from, range.to + 1);
    return { of: (channel) => shardOf(slots, channel), clients: opened };
  } catch (error) {
    opened.forEach(destroy);
    throw error;
  }
}

function shardOf(slots: readonly (Shard | undefined)[], channel: string): Shard {
  const shard = slots[slotOf(channel)];
  if (shard === undefined) throw new Error(`no shard of the Redis cluster has the slot of ${channel}`);
  return shard;
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly url: string;
}

/** Where each slot is. A Redis that is no cluster has them all. */
async function findShards(url: string, client: RedisClientType): Promise<Range[] | undefined> {
  try {
    const ranges = await client.clusterSlots();
    return ranges.map(({ from, to, master }) => ({ from, to, url: urlOf(url, master) }));
  } catch (error) {
    if (error instanceof ErrorReply && error.message.includes('cluster support disabled')) return undefined;
    throw error;
  }
}

/** User, password and encryption are the same for all nodes. A node that does not know its own name is where it was asked. */
function urlOf(url: string, { host, port }: { host: string; port: number }): string {
  const at = new URL(url);
  if (host !== '') at.hostname = host.includes(':') ? `[${host}]` : host;
  at.port = String(port);
  return at.href;
}
