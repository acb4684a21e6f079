import type { LogFeed } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import type { MemoryState } from './state.ts';

/** One part: everything, in the order of the commits. */
export function createMemoryFeed({ feed }: Pick<MemoryState, 'feed'>, clock: Pick<Clock, 'now'>): LogFeed {
  const cursors = new Map<string, number>();
  const leases = new Map<string, { holder: string; expiresAt: number }>();
  const holderOf = (name: string) => {
    const lease = leases.get(name);
    return lease === undefined || lease.expiresAt <= clock.now() ? undefined : lease.holder;
  };

  return {
    parts: 1,
    feed: async (_part, { after, limit }) => feed.slice(after, after + limit),

    async backlog(_part, { after, countMax }) {
      const rows = Math.min(countMax, Math.max(0, feed.length - after));
      const oldest = feed[after];
      return oldest === undefined ? { rows } : { rows, oldestAt: oldest.at };
    },

    cursor: async (consumer, part) => cursors.get(`${part} ${consumer}`) ?? 0,

    async saveCursor(consumer, part, { id, lease, holder }) {
      if (holderOf(lease) !== holder) return false;
      const key = `${part} ${consumer}`;
      cursors.set(key, Math.max(cursors.get(key) ?? 0, id));
      return true;
    },

    async acquireLease(name, holder, ttlMs) {
      const current = holderOf(name);
      if (current !== undefined && current !== holder) return false;
      leases.set(name, { holder, expiresAt: clock.now() + ttlMs });
      return true;
    },

    async releaseLease(name, holder) {
      if (leases.get(name)?.holder === holder) leases.delete(name);
    },
  };
}
