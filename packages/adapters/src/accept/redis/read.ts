import type { AcceptLogAway, ShardEntry } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { ErrorReply } from '@redis/client';
import { readEntries } from './entries.ts';
import { bytesOf, streamOf } from './keys.ts';
import { CALL_MS, type Link, type Reply } from './link.ts';
import type { Links } from './links.ts';

export interface ReadOptions {
  readonly shards: readonly number[];
  readonly node: string;
  readonly count: number;
  readonly blockMs: number;
}

interface ReadPlan extends ReadOptions {
  readonly prefix: string;
  readonly epoch: number;
  readonly clock: Clock;
  /** Its name in Redis. */
  readonly group: string;
}

/** The streams were deleted under way. */
const GONE = /^(NOGROUP|UNBLOCKED|WRONGTYPE)/;

export async function read(links: Links, plan: ReadPlan): Promise<{ shard: number; entries: ShardEntry[] }[]> {
  if (plan.shards.length === 0) return [];
  return links.reading(async (link) => {
    const state = await link.script('state', { prefix: plan.prefix, epoch: plan.epoch, args: [] });
    if (Array.isArray(state) && state[0] === `${plan.epoch}`) return readStreams(link, plan);
    // Who reads in a loop must not do so at full speed.
    await plan.clock.sleep(plan.blockMs, links.ended);
    return [];
  });
}

async function readStreams(link: Link, { prefix, epoch, group, shards, node, count, blockMs }: ReadPlan) {
  const keys = shards.map((shard) => streamOf(prefix, epoch, shard));
  // For Redis 0 is for ever.
  const block = blockMs >= 1 ? ['BLOCK', `${Math.ceil(blockMs)}`] : [];
  const args = ['XREADGROUP', 'GROUP', group, bytesOf(node), 'COUNT', `${count}`, ...block, 'STREAMS', ...keys, ...keys.map(() => '>')];
  const reply = await link.call(args, blockMs + CALL_MS).catch((error: AcceptLogAway) => {
    if (error.cause instanceof ErrorReply && GONE.test(error.cause.message)) return null;
    throw error;
  });
  const streams = (reply ?? []) as readonly [key: string, entries: Reply][];
  return streams.map(([key, entries]) => ({ shard: shards[keys.indexOf(key)]!, entries: readEntries(epoch, entries) }));
}
