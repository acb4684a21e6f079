import type { AcceptGroup, AcceptLog, ShardEntry } from '@gapless/core';
import { expect } from 'vitest';
import type { AcceptLogs } from './accept-log.ts';
import {
  acceptAll,
  acceptOne,
  ask,
  begun,
  EPOCH,
  everyEntry,
  openAll,
  opening,
  refused,
  saveAll,
  seqsOf,
  ulidOf,
} from './accept-log-requests.ts';
import { range } from './commands.ts';
import type { Cases } from './contract.ts';
import { until } from './feed-reader.ts';

const CIDS = range(40).map((n) => `c${n}`);
const LONG_MS = 600_000;

export const shardCases: Cases<AcceptLogs> = {
  async 'a conversation is in one shard, in order, and the shards share them'({ one, two }) {
    await begun(one, ...CIDS);
    for (const n of range(3))
      await two.accept(
        EPOCH,
        CIDS.map((cid) => ask(cid, ulidOf(n))),
      );
    const shards = await everyEntry(two);
    expect(shards).toHaveLength(await one.shards());
    const cids = shards.map(({ entries }) => new Set(entries.map(cidOf)));
    expect(cids.reduce((sum, of) => sum + of.size, 0)).toBe(CIDS.length);
    for (const of of cids) expect(of.size).toBeGreaterThan(0);
    for (const { entries } of shards) for (const of of Map.groupBy(entries, cidOf).values()) expect(seqsOf(of)).toEqual([1, 2, 3]);
  },

  async 'each group reads every entry once, in order, whichever node reads'({ one, two }) {
    await begun(one, ...CIDS);
    const shards = await allShards(one);
    const read = { save: [] as ShardEntry[], deliver: [] as ShardEntry[] };
    for (const n of range(5)) {
      await one.accept(
        EPOCH,
        CIDS.map((cid) => ask(cid, ulidOf(n))),
      );
      for (const group of ['save', 'deliver'] as const) {
        for (const [i, log] of [one, two].entries()) {
          const found = await log.read(EPOCH, group, { shards, node: `n${i}`, count: 5, blockMs: 0 });
          for (const { entries } of found) expect(entries.length).toBeLessThanOrEqual(5);
          read[group].push(...found.flatMap(({ entries }) => entries));
        }
      }
    }
    for (const group of ['save', 'deliver'] as const) {
      await until(async () => {
        const found = await two.read(EPOCH, group, { shards, node: 'n1', count: 50, blockMs: 0 });
        read[group].push(...found.flatMap(({ entries }) => entries));
        return found.length === 0;
      });
      expect(read[group]).toHaveLength(5 * CIDS.length);
      for (const of of Map.groupBy(read[group], cidOf).values()) expect(seqsOf(of)).toEqual(range(5));
    }
    expect(await everyEntry(one)).toEqual(await everyEntry(two));
  },

  async 'a read waits for the first entry, and both groups at once'({ one, two }) {
    await begun(one, 'c1');
    const shards = await allShards(one);
    const waiting = (['save', 'deliver'] as const).map((group) =>
      two.read(EPOCH, group, { shards, node: 'n2', count: 9, blockMs: LONG_MS }),
    );
    await acceptAll(one, 'c1', [1]);
    for (const found of await Promise.all(waiting)) expect(found.map(({ entries }) => seqsOf(entries))).toEqual([[1]]);
    expect(await two.read(EPOCH, 'save', { shards, node: 'n2', count: 9, blockMs: 20 })).toEqual([]);
  },

  async 'what a worker that died had read is taken over, oldest first, and then the rest is read'({ one, two }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', range(9));
    const shards = await allShards(one);
    const [found] = await one.read(EPOCH, 'save', { shards, node: 'dead', count: 6, blockMs: 0 });
    expect(seqsOf(found!.entries)).toEqual(range(6));
    const { shard } = found!;
    const claim = (node: string, count: number) => two.reclaim(EPOCH, 'save', { shard, node, count });
    const first = await claim('n2', 4);
    expect(seqsOf(first)).toEqual(range(4));
    expect(first).toEqual(found!.entries.slice(0, 4));
    await saveIds(two, shard, first);
    expect(seqsOf(await claim('n2', 4))).toEqual([5, 6]);
    expect(seqsOf(await claim('n2', 1))).toEqual([5]);
    const [rest] = await two.read(EPOCH, 'save', { shards, node: 'n2', count: 50, blockMs: 0 });
    expect(seqsOf(rest!.entries)).toEqual([7, 8, 9]);
    expect(seqsOf(await claim('n3', 50))).toEqual([5, 6, 7, 8, 9]);
    expect(await one.reclaim(EPOCH, 'deliver', { shard, node: 'n2', count: 50 })).toEqual([]);
  },

  async 'what was announced is not taken over, and stays until it is saved'({ one, two }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', range(3));
    const shards = await allShards(one);
    const [found] = await one.read(EPOCH, 'deliver', { shards, node: 'n1', count: 9, blockMs: 0 });
    const { shard, entries } = found!;
    await one.delivered(EPOCH, shard, [entries[0]!.id, entries[2]!.id]);
    await one.delivered(EPOCH, shard, []);
    expect(seqsOf(await two.reclaim(EPOCH, 'deliver', { shard, node: 'n2', count: 9 }))).toEqual([2]);
    expect(await two.backlog(EPOCH)).toMatchObject({ entries: 3 });
    const [unsaved] = await two.read(EPOCH, 'save', { shards, node: 'n2', count: 9, blockMs: 0 });
    expect(unsaved!.entries).toEqual(entries);
  },

  async 'what is saved is gone in every group, read or not, and told to its conversation'({ one, two }) {
    await begun(one, 'c1');
    await openAll(one, opening('c2', { reserved: 2 }));
    await acceptAll(one, 'c1', range(4));
    const shards = await allShards(one);
    const [found] = await one.read(EPOCH, 'deliver', { shards, node: 'n1', count: 2, blockMs: 0 });
    const { shard } = found!;
    const all = await one.entries(EPOCH, shard, { after: '', limit: 10 });
    const upTo = [
      { cid: 'c1', head: 3, rev: 3, reserved: 20_000 },
      { cid: 'c2', head: 0, rev: 0, reserved: 7 },
      { cid: 'not here', head: 1, rev: 1, reserved: 7 },
    ];
    for (const log of [one, two])
      await log.saved(
        EPOCH,
        shard,
        all.slice(0, 3).map(({ id }) => id),
        upTo,
      );
    expect(await two.reclaim(EPOCH, 'deliver', { shard, node: 'n2', count: 9 })).toEqual([]);
    for (const group of ['save', 'deliver'] as const) {
      const [left] = await two.read(EPOCH, group, { shards, node: 'n2', count: 9, blockMs: 0 });
      expect(seqsOf(left!.entries)).toEqual([4]);
    }
    expect(await one.backlog(EPOCH)).toMatchObject({ entries: 1 });
    expect(await two.tails(EPOCH, ['c1', 'c2'])).toMatchObject([{ head: 4, savedHead: 3, savedRev: 3 }, { savedHead: 0 }]);
    expect(await acceptAll(two, 'c2', range(2))).toEqual(range(2));
    expect(await acceptOne(two, ask('c2', ulidOf(3)))).toEqual(refused('full'));
    expect(await two.tails(EPOCH, ['not here'])).toEqual([undefined]);
  },

  async 'how far a conversation is saved, and may go, never goes back'({ one }) {
    await begun(one);
    await openAll(one, opening('c1', { head: 5, rev: 6, reserved: 7 }));
    await one.saved(EPOCH, 0, [], [{ cid: 'c1', head: 4, rev: 4, reserved: 6 }]);
    expect(await one.tails(EPOCH, ['c1'])).toMatchObject([{ head: 5, rev: 6, savedHead: 5, savedRev: 6 }]);
    expect(await acceptAll(one, 'c1', [1, 2])).toEqual([6, 7]);
    await one.saved(EPOCH, 0, [], [{ cid: 'c1', head: 6, rev: 7, reserved: 8 }]);
    await one.saved(EPOCH, 0, [], [{ cid: 'c1', head: 6, rev: 7, reserved: 100 }]);
    expect(await acceptAll(one, 'c1', [3])).toEqual([8]);
    expect(await acceptOne(one, ask('c1', ulidOf(4)))).toEqual(refused('full'));
  },

  async 'what is not saved is read by rev, page by page'({ one, two }) {
    await begun(one);
    await openAll(one, opening('c1', { head: 2, rev: 10 }), opening('c2'));
    await acceptAll(one, 'c1', range(6));
    await acceptAll(one, 'c2', [1]);
    const page = async (after: number, limit: number) => (await two.pending(EPOCH, 'c1', { after, limit })).map(({ rev }) => rev);
    expect(await page(0, 4)).toEqual([11, 12, 13, 14]);
    expect(await page(14, 4)).toEqual([15, 16]);
    expect([await page(16, 4), await page(0, 0)]).toEqual([[], []]);
    expect(await two.pending(EPOCH, 'c3', { after: 0, limit: 4 })).toEqual([]);
    const shard = (await everyEntry(one)).find(({ entries }) => entries.some((entry) => cidOf(entry) === 'c1'))!;
    await saveIds(one, shard.shard, shard.entries.filter((entry) => cidOf(entry) === 'c1').slice(0, 4));
    expect(await page(0, 9)).toEqual([15, 16]);
    await saveAll(one);
    expect(await page(0, 9)).toEqual([]);
  },

  async 'the backlog says how much is not saved, and since when'({ one, two }) {
    await begun(one, 'c1', 'c2', 'c3');
    expect(await one.backlog(EPOCH)).toEqual({ entries: 0 });
    await acceptAll(one, 'c1', [1]);
    const { oldestAt } = await one.backlog(EPOCH);
    for (const cid of ['c2', 'c3']) await acceptAll(two, cid, [1, 2]);
    expect(await two.backlog(EPOCH)).toEqual({ entries: 5, oldestAt });
    expect(oldestAt).toBeGreaterThan(1_700_000_000_000);
    await saveAll(one);
    expect(await two.backlog(EPOCH)).toEqual({ entries: 0 });
    expect((await everyEntry(one)).flatMap(({ entries }) => entries)).toEqual([]);
  },

  async 'a lock has one holder while it lasts, for each group and shard'({ one, two }) {
    await begun(one);
    expect(await locked(one, 'save', 0, 'n1', LONG_MS)).toBe(true);
    expect(await locked(two, 'save', 0, 'n2', LONG_MS)).toBe(false);
    expect(await locked(two, 'deliver', 0, 'n2', LONG_MS)).toBe(true);
    expect(await locked(two, 'save', 1, 'n2', LONG_MS)).toBe(true);
    await two.unlock(EPOCH, 'save', 0, 'n2');
    expect(await locked(two, 'save', 0, 'n2', LONG_MS)).toBe(false);
    await one.unlock(EPOCH, 'save', 0, 'n1');
    const race = await Promise.all(range(8).map((n) => locked(n % 2 ? one : two, 'save', 0, `n${n}`, LONG_MS)));
    expect(race.filter((got) => got)).toHaveLength(1);
  },

  async 'a lock ends with its time, and its holder makes it longer'({ one, two }) {
    await begun(one);
    await locked(one, 'save', 0, 'n1', 30);
    await until(() => locked(two, 'save', 0, 'n2', 30));
    expect(await locked(two, 'save', 0, 'n2', LONG_MS)).toBe(true);
    // When this one has ended, the shorter one would have too.
    await locked(one, 'save', 1, 'n1', 30);
    await until(() => locked(two, 'save', 1, 'n2', 30));
    expect(await locked(one, 'save', 0, 'n1', 30)).toBe(false);
  },

  async 'of several locks those are taken that are free, in the order asked for, until there are enough'({ one, two }) {
    await begun(one);
    const lock = (log: AcceptLog, node: string, shards: number[], most: number) =>
      log.lock(EPOCH, 'save', { shards, most, node, ttlMs: LONG_MS });
    expect(await lock(one, 'n1', [1], 1)).toEqual([1]);
    expect(await lock(two, 'n2', [1, 0], 2)).toEqual([0]);
    expect(await lock(one, 'n1', [1, 0], 2)).toEqual([1]);
    await two.unlock(EPOCH, 'save', 0, 'n2');
    expect(await lock(one, 'n1', [1, 0], 1)).toEqual([1]);
    expect(await lock(one, 'n1', [1, 0], 0)).toEqual([]);
    expect(await lock(one, 'n1', [], 2)).toEqual([]);
    expect(await lock(two, 'n2', [1, 0], 2)).toEqual([0]);
  },
};

async function locked(log: AcceptLog, group: AcceptGroup, shard: number, node: string, ttlMs: number): Promise<boolean> {
  return (await log.lock(EPOCH, group, { shards: [shard], most: 1, node, ttlMs })).length === 1;
}

async function allShards(log: AcceptLog): Promise<number[]> {
  return Array.from({ length: await log.shards() }, (_, shard) => shard);
}

const cidOf = ({ accepted }: ShardEntry): string => accepted.send.cid;

/** Entries of one conversation, in order. */
async function saveIds(log: AcceptLog, shard: number, entries: readonly ShardEntry[]): Promise<void> {
  const { seq, rev, send } = entries.at(-1)!.accepted;
  await log.saved(
    EPOCH,
    shard,
    entries.map(({ id }) => id),
    [{ cid: send.cid, head: seq, rev, reserved: 10_000 }],
  );
}
