import type { AcceptGroup, SavedUpTo, ShardEntry } from '@gapless/core';
import { isOpen } from './accepting.ts';
import type { EpochState, ShardState } from './state.ts';

export function read(shard: ShardState, group: AcceptGroup, { node, count }: { node: string; count: number }): ShardEntry[] {
  const of = shard.groups[group];
  const entries = entriesOf(shard, of.lastRead, count);
  for (const { id } of entries) {
    of.lastRead = Number(id);
    of.pending.set(of.lastRead, node);
  }
  return entries;
}

export function reclaim(shard: ShardState, group: AcceptGroup, { node, count }: { node: string; count: number }): ShardEntry[] {
  const { pending } = shard.groups[group];
  const claimed: ShardEntry[] = [];
  for (const id of pending.keys()) {
    if (claimed.length === count) break;
    pending.set(id, node);
    claimed.push({ id: `${id}`, accepted: shard.entries.get(id)!.accepted });
  }
  return claimed;
}

export function saved(state: EpochState, shard: ShardState, ids: readonly string[], upTo: readonly SavedUpTo[]): void {
  for (const id of ids.map(Number)) {
    if (shard.entries.delete(id)) state.waiting--;
    for (const group of Object.values(shard.groups)) group.pending.delete(id);
  }
  for (const { cid, head, rev, reserved } of upTo) {
    const conversation = state.conversations.get(cid);
    if (!isOpen(conversation)) continue;
    // Of an opening before this one, which is in `savedHead`, the reservation ended with it.
    if (head > conversation.savedHead) conversation.reserved = Math.max(conversation.reserved, reserved);
    conversation.savedHead = Math.max(conversation.savedHead, head);
    conversation.savedRev = Math.max(conversation.savedRev, rev);
    for (const own of conversation.pending.keys()) if (own <= rev) conversation.pending.delete(own);
  }
}

/** Behind that id, oldest first. */
export function entriesOf({ entries, lastId }: ShardState, after: number, limit: number): ShardEntry[] {
  const found: ShardEntry[] = [];
  const [first = lastId] = entries.keys();
  for (let id = Math.max(after + 1, first); id <= lastId && found.length < limit; id++) {
    const entry = entries.get(id);
    if (entry !== undefined) found.push({ id: `${id}`, accepted: entry.accepted });
  }
  return found;
}

export function oldestOf({ shards }: EpochState): number | undefined {
  let oldest: number | undefined;
  for (const { entries } of shards) {
    const [first] = entries.values();
    if (first !== undefined) oldest = Math.min(oldest ?? first.at, first.at);
  }
  return oldest;
}
