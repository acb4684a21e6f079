import type { AcceptLog } from '@gapless/core';
import { expect } from 'vitest';
import type { AcceptLogs } from './accept-log.ts';
import {
  acceptAll,
  acceptOne,
  ask,
  begun,
  EPOCH,
  everyEntry,
  NODE,
  opening,
  openOne,
  refused,
  saveAll,
  ulidOf,
} from './accept-log-requests.ts';
import { range, T0 } from './commands.ts';
import type { Cases } from './contract.ts';

export const epochCases: Cases<AcceptLogs> = {
  async 'a new log has no epoch, and accepts nothing'({ one }) {
    expect(await one.epoch()).toBeUndefined();
    expect(await one.shards()).toBeGreaterThan(1);
    expect(await one.shardsOf(1)).toBe(0);
    expect(await one.leftovers(100)).toEqual([]);
    expect(await one.entries(1, 0, { after: '', limit: 10 })).toEqual([]);
    await one.check();
    await nothingIn(one, 1);
  },

  async 'an epoch that was begun is every node’s, and beginning it again changes nothing'({ one, two }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', [1]);
    await two.begin(EPOCH);
    expect([await one.epoch(), await two.epoch()]).toEqual([EPOCH, EPOCH]);
    expect(await acceptAll(two, 'c1', [2])).toEqual([2]);
    expect(await two.shardsOf(EPOCH)).toBe(await two.shards());
    for (const other of [0, 2, 11]) await nothingIn(two, other);
    await expect(two.begin(0)).rejects.toThrow('was begun here before');
    expect(await two.epoch()).toBe(EPOCH);
  },

  async 'in an epoch that is over nothing happens, and what it accepted stays until it is dropped'({ one, two }) {
    await begun(one, 'c1', 'c2');
    await acceptAll(one, 'c1', range(5));
    const before = await everyEntry(one);
    await two.begin(2);
    expect(await one.epoch()).toBe(2);
    await nothingIn(one, 1);
    expect(await everyEntry(two)).toEqual(before);
    const { shard, entries } = before.find((each) => each.entries.length > 0)!;
    expect(await two.entries(1, shard, { after: entries[1]!.id, limit: 2 })).toEqual(entries.slice(2, 4));
    expect(await two.entries(1, shard, { after: entries[4]!.id, limit: 2 })).toEqual([]);
    expect([await two.leftovers(1), await two.leftovers(2), await two.leftovers(9)]).toEqual([[], [1], [1]]);
    expect(await two.backlog(2)).toEqual({ entries: 0 });
    // Who was admitted to the old one is not to this one.
    expect(await acceptOne(two, ask('c1', ulidOf(9)), 2)).toEqual(refused('over'));
    await two.admit(2, NODE);
    expect(await acceptOne(two, ask('c1', ulidOf(9)), 2)).toEqual(refused('closed'));
    await two.drop(1);
    expect([await two.leftovers(9), await two.shardsOf(1), await everyEntry(two)]).toEqual([[], 0, []]);
    expect(await two.entries(1, shard, { after: '', limit: 2 })).toEqual([]);
    expect(await one.epoch()).toBe(2);
  },

  async 'an epoch with nothing left is no leftover, and others are dropped one by one'({ one, two }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', [1]);
    await saveAll(one);
    await one.begin(11);
    await one.admit(11, NODE);
    await openOne(one, opening('c1'), 11);
    expect(await acceptOne(one, ask('c1', ulidOf(1)), 11)).toMatchObject({ ok: true });
    await one.begin(12);
    expect(await two.leftovers(100)).toEqual([11]);
    await two.drop(1);
    expect(await two.leftovers(100)).toEqual([11]);
    expect((await everyEntry(two, 11)).flatMap(({ entries }) => entries)).toHaveLength(1);
  },

  async 'the epoch that is on ends when it is dropped, and the next one is empty'({ one, two }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', [1]);
    await two.drop(EPOCH);
    expect(await one.epoch()).toBeUndefined();
    await nothingIn(one, EPOCH);
    await one.begin(2);
    expect(await one.backlog(2)).toEqual({ entries: 0 });
    expect(await one.tails(2, ['c1'])).toEqual([undefined]);
    expect(await one.leftovers(3)).toEqual([]);
  },
};

/** The epoch is over, or was never begun: every call says so, or does nothing. */
export async function nothingIn(log: AcceptLog, epoch: number): Promise<void> {
  const requests = [ask('c1', ulidOf(1)), ask('c2', ulidOf(1))];
  await log.admit(epoch, NODE);
  expect(await log.accept(epoch, requests)).toEqual(requests.map(() => refused('over')));
  expect(await log.intend(epoch, 'c1')).toBe('over');
  expect(await log.open(epoch, opening('c1'))).toBe(false);
  expect(await log.hold(epoch, 'c1')).toBeUndefined();
  await log.close(epoch, 'c1', { opening: 1, holdMs: 1 });
  expect(await log.tails(epoch, ['c1', 'c2'])).toEqual([undefined, undefined]);
  expect(await log.pending(epoch, 'c1', { after: 0, limit: 10 })).toEqual([]);
  expect(await log.lock(epoch, 'save', { shards: [0, 1], most: 2, node: NODE, ttlMs: 1_000 })).toEqual([]);
  await log.unlock(epoch, 'save', 0, NODE);
  expect(await log.read(epoch, 'save', { shards: [0], node: NODE, count: 10, blockMs: 1 })).toEqual([]);
  expect(await log.reclaim(epoch, 'save', { shard: 0, node: NODE, count: 10 })).toEqual([]);
  await log.delivered(epoch, 0, ['1']);
  await log.saved(epoch, 0, ['1'], [{ cid: 'c1', head: 1, rev: 1, reserved: 1 }]);
  expect(await log.backlog(epoch)).toEqual({ entries: 0 });
  expect(await log.bar(epoch, NODE)).toBeGreaterThan(T0);
}
