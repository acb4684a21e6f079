import type { CloudEvent } from '@gapless/core';

/** Conversations that are on their way at a time, in one call: enough to fill a round trip, and little for a server to keep in hand. */
const KEYS_AT_ONCE = 256;

/**
 * Hands each event over, those of a partitionkey one after the other, different ones at the same time. Where one fails, the later ones of
 * its key are not handed over: who repeats all of them cannot bring them in before it.
 *
 * @throws what failed first, when nothing is under way any more
 */
export async function publishByKey(events: readonly CloudEvent[], publish: (event: CloudEvent) => Promise<unknown>): Promise<void> {
  const keys = Map.groupBy(events, ({ partitionkey }) => partitionkey).values();
  const failures: unknown[] = [];
  async function work(): Promise<void> {
    for (const own of keys) {
      for (const event of own) {
        if (failures.length > 0) return;
        await publish(event);
      }
    }
  }
  const workers = Array.from({ length: Math.min(KEYS_AT_ONCE, events.length) }, () =>
    work().catch((error: unknown) => failures.push(error)),
  );
  await Promise.all(workers);
  if (failures.length > 0) throw failures[0];
}
