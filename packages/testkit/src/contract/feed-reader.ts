import type { FeedRow, Store } from '@gapless/core';
import { expect } from 'vitest';

// Reading the feed until what must come has come: a row may be held back while other transactions of the database run.

export const cidOf = ({ entry }: FeedRow): string => entry.cid;

/** Asks until the answer is there. Ends with the test's time otherwise. */
export async function until<T>(ask: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The rows of each part, once there are `count` in all; there must never be more. */
export function partsOf(store: Store, count: number): Promise<FeedRow[][]> {
  return until(async () => {
    const parts = await Promise.all(Array.from({ length: store.parts }, (_, part) => store.feed(part, { after: 0, limit: 1_000_000 })));
    const total = parts.reduce((sum, rows) => sum + rows.length, 0);
    expect(total).toBeLessThanOrEqual(count);
    return total === count && parts;
  });
}

export async function feedOf(store: Store, count: number): Promise<FeedRow[]> {
  return (await partsOf(store, count)).flat();
}

/** Reads on as a consumer does, from where it is, until it has `count` rows. The revs of each conversation must come without a hole. */
export async function takeFeed(store: Store, count: number): Promise<FeedRow[]> {
  const taken: FeedRow[] = [];
  const after = Array.from({ length: store.parts }, () => 0);
  const revs = new Map<string, number>();
  let limit = 1;
  await until(async () => {
    for (const [part, place] of after.entries()) {
      limit = (limit % 40) + 1;
      for (const row of await store.feed(part, { after: place, limit })) {
        const expected = (revs.get(cidOf(row)) ?? -1) + 1;
        if (row.entry.rev !== expected || row.id <= after[part]!) expect({ ...row, after: after[part] }).toBe(`rev ${expected}, ascending`);
        revs.set(cidOf(row), expected);
        after[part] = row.id;
        taken.push(row);
      }
    }
    return taken.length >= count;
  });
  expect(taken).toHaveLength(count);
  return taken;
}
