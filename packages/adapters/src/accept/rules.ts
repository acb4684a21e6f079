import type { AcceptRequest, SendCommand } from '@gapless/core';
import { hashOf } from '@gapless/kit';

/** An opening that its node did not end is another's for the taking after this: a look into the store takes milliseconds. */
export const OPENING_MS = 2_000;

/** How mids of a conversation are forgotten: in two generations, of which the older one goes. */
export interface Memory {
  /** The younger generation becomes the older one when it has so many. */
  readonly mids: number;
  /** Every mid is remembered for so long at least, and until it is saved. */
  readonly ms: number;
}

/**
 * A thousand mids take 0.2 MB of Redis; with much fewer, those who try again after a while would have to be looked up. A minute: longer than
 * a look into the store is valid (5 s).
 */
export const MEMORY: Memory = { mids: 1_000, ms: 60_000 };

/** Modulo the shards it is the shard of a conversation. Mixed once more: conversations may be chosen by their hash modulo 100. */
export function shardHashOf(cid: string): number {
  const hash = hashOf(cid);
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

/** Who said what: equal for a send and its repetition. */
export function identityOf({ from, digest }: Pick<SendCommand, 'from' | 'digest'>): string {
  return JSON.stringify([from, digest]);
}

/** What a send is when its rights have been looked at. */
export function withoutRights({ membersRev: _membersRev, callerRole: _callerRole, ...send }: SendCommand): SendCommand {
  return send;
}

/** The reference of a send to a message that is not there: why it is refused. */
export function badReference({ send }: AcceptRequest, head: number): string | undefined {
  for (const field of ['replyTo', 'threadRoot'] as const) if ((send[field] ?? 0) > head) return sayNoMessage(field);
  return undefined;
}

/** As the stores say it. */
export function sayNoMessage(field: 'replyTo' | 'threadRoot'): string {
  return `${field}: there is no such message`;
}
