import type { AcceptLog } from '@gapless/core';
import { type Clock, systemClock } from '@gapless/kit';
import { MEMORY, type Memory } from '../rules.ts';
import { Links } from './links.ts';
import { RedisAcceptLog } from './log.ts';

export { UnfitRedis } from './server-info.ts';

export interface RedisAcceptOptions {
  /** `redis://` or `rediss://`, with user and password when it asks for them. */
  url: string;
  clock?: Clock;
  /** All its keys begin with this. Default `gapless:stream:accepted`. */
  streamKey?: string;
  /** Names of the consumer groups. Default `deliver` and `save`. */
  deliverGroup?: string;
  saveGroup?: string;
  /** For the epochs that are begun from here. Default 8. */
  shards?: number;
  /** Entries that are not saved, of all conversations; with more, sends are `busy`. Default 100,000. */
  backlogMax?: number;
  /** What is remembered at least. For tests; default and reason: MEMORY. */
  memory?: Memory;
  /** Outages, each once; and settings of Redis that are doubtful. */
  onError?: (error: unknown) => void;
}

const SHARDS = 8;
const BACKLOG_MAX = 100_000;

/**
 * The accept log in Redis Streams: each operation is a script, so it happens whole or not at all. Opens also while Redis is away.
 *
 * - Redis 6.2 or newer: one server, or a primary with replicas; not Redis Cluster, a conversation and its stream are keys of several slots.
 * - How much survives a restart of Redis is up to its `appendonly` and `save`. For numbers and promises it does not matter: after a
 *   restart, and after a replica became the primary, the epoch is over.
 * - `maxmemory-policy` must be `noeviction`. The user needs INFO, EVALSHA, SCRIPT LOAD, SCAN and the commands of hashes, streams and sorted sets.
 * - Every call rejects with AcceptLogAway when Redis did not answer within two seconds.
 *
 * @throws UnfitRedis when Redis is there and cannot be used
 */
export async function openRedisAcceptLog(options: RedisAcceptOptions): Promise<AcceptLog> {
  const { url, clock = systemClock, streamKey = 'gapless:stream:accepted', deliverGroup = 'deliver', saveGroup = 'save' } = options;
  const { shards = SHARDS, backlogMax = BACKLOG_MAX, memory = MEMORY, onError = () => {} } = options;
  if (deliverGroup === saveGroup) throw new Error('accept log: the two groups need different names');
  const links = new Links({ url, clock, onError });
  await links.open();
  const groups = { deliver: deliverGroup, save: saveGroup };
  return new RedisAcceptLog(links, { clock, prefix: streamKey, groups, shards, backlogMax, memory });
}
