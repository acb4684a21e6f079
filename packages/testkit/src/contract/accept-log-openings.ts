import { expect } from 'vitest';
import type { AcceptLogs } from './accept-log.ts';
import { acceptAll, accepted, acceptOne, ask, begun, EPOCH, openAll, opening, refused, saveAll, ulidOf } from './accept-log-requests.ts';
import { range } from './commands.ts';
import type { Cases } from './contract.ts';
import { until } from './feed-reader.ts';

/** Longer than a test. */
const LONG_MS = 600_000;

export const openingCases: Cases<AcceptLogs> = {
  async 'one node opens a conversation, the others see that it does'({ one, two }) {
    await begun(one);
    expect(await acceptOne(one, ask('c1', ulidOf(1)))).toEqual(refused('closed'));
    expect(await one.intend(EPOCH, 'c1')).toBe('mine');
    for (const log of [one, two]) expect(await log.intend(EPOCH, 'c1')).toBe('opening');
    for (const log of [one, two]) expect(await acceptOne(log, ask('c1', ulidOf(1)))).toEqual(refused('opening'));
    expect(await two.tails(EPOCH, ['c1'])).toEqual([undefined]);
    expect(await two.open(EPOCH, opening('c1', { head: 50 }))).toBe(false);
    expect(await one.open(EPOCH, opening('c1'))).toBe(true);
    for (const log of [one, two]) expect(await log.intend(EPOCH, 'c1')).toBe('open');
  },

  async 'of many nodes that want to open it exactly one does'({ one, two }) {
    await begun(one);
    const intents = await Promise.all(range(20).map((n) => (n % 2 === 0 ? one : two).intend(EPOCH, 'c1')));
    expect(intents.toSorted()).toEqual(['mine', ...range(19).map(() => 'opening')]);
  },

  async 'only what was intended is opened, once'({ one, two }) {
    await begun(one);
    expect(await one.open(EPOCH, opening('c1'))).toBe(false);
    await openAll(one, opening('c1', { head: 2, rev: 3 }));
    expect(await one.open(EPOCH, opening('c1', { head: 50 }))).toBe(true);
    expect(await two.open(EPOCH, opening('c1', { head: 50 }))).toBe(true);
    for (const log of [one, two]) expect(await log.intend(EPOCH, 'c1')).toBe('open');
    const none = undefined;
    expect(await two.tails(EPOCH, ['c1', 'c2', 'c1'])).toEqual([tail(2, 3), none, tail(2, 3)]);
  },

  async 'an opening that was not ended is another’s after a while, and who began it opens nothing then'({ one, two }) {
    await begun(one);
    await one.intend(EPOCH, 'c1');
    await until(async () => (await two.intend(EPOCH, 'c1')) === 'again');
    expect(await one.open(EPOCH, opening('c1', { head: 50 }))).toBe(false);
    expect(await acceptOne(one, ask('c1', ulidOf(1)))).toEqual(refused('opening'));
    expect(await two.open(EPOCH, opening('c1', { head: 3 }))).toBe(true);
    expect(await acceptAll(one, 'c1', [1])).toEqual([4]);
  },

  async 'an opening that took long still counts where nobody else began one'({ one }) {
    await begun(one);
    await one.intend(EPOCH, 'c1');
    await until(async () => {
      const outcome = await acceptOne(one, ask('c1', ulidOf(1)));
      return !outcome.ok && outcome.code === 'closed';
    });
    expect(await one.open(EPOCH, opening('c1'))).toBe(true);
    expect(await acceptAll(one, 'c1', [1])).toEqual([1]);
  },

  async 'a held conversation takes nothing, and goes on where it was'({ one, two }) {
    await begun(one, 'c1', 'c2');
    await acceptAll(one, 'c1', [1, 2]);
    expect(await two.hold(EPOCH, 'c1')).toEqual(tail(2, 2, 0, 0));
    expect(await one.accept(EPOCH, [ask('c1', ulidOf(3)), ask('c2', ulidOf(3))])).toEqual([refused('held'), accepted(1)]);
    expect(await one.intend(EPOCH, 'c1')).toBe('held');
    expect(await one.open(EPOCH, opening('c1', { head: 50 }))).toBe(true);
    await saveAll(one);
    expect(await one.hold(EPOCH, 'c1')).toEqual(tail(2, 2));
    expect(await one.tails(EPOCH, ['c1'])).toEqual([tail(2, 2)]);
    await one.unhold(EPOCH, 'c1');
    await one.unhold(EPOCH, 'c3');
    expect(await acceptAll(two, 'c1', [3])).toEqual([3]);
  },

  async 'a closed conversation is opened again only after its time, with what the store has then'({ one, two }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', [1]);
    await one.hold(EPOCH, 'c1');
    await saveAll(one);
    await one.close(EPOCH, 'c1', LONG_MS);
    for (const log of [one, two]) {
      expect(await log.intend(EPOCH, 'c1')).toBe('held');
      expect(await acceptOne(log, ask('c1', ulidOf(2)))).toEqual(refused('held'));
    }
    expect(await one.tails(EPOCH, ['c1'])).toEqual([undefined]);
    await two.close(EPOCH, 'c1', 30);
    await until(async () => (await two.intend(EPOCH, 'c1')) === 'mine');
    expect(await two.open(EPOCH, opening('c1', { head: 1, rev: 4, knownFrom: ulidOf(1) }))).toBe(true);
    expect(await acceptOne(one, ask('c1', ulidOf(1)))).toEqual(refused('unsure'));
    expect(await acceptOne(one, ask('c1', ulidOf(2)))).toEqual(accepted(2, { rev: 5 }));
    expect(await one.pending(EPOCH, 'c1', { after: 0, limit: 10 })).toMatchObject([{ seq: 2, rev: 5 }]);
  },

  async 'what is open, or not saved, is not closed'({ one }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', [1]);
    await expect(one.close(EPOCH, 'c1', 1)).rejects.toThrow('when it is held, and all of it is saved');
    await one.hold(EPOCH, 'c1');
    await expect(one.close(EPOCH, 'c1', 1)).rejects.toThrow('when it is held, and all of it is saved');
    await one.unhold(EPOCH, 'c1');
    await saveAll(one);
    await expect(one.close(EPOCH, 'c1', 1)).rejects.toThrow('when it is held, and all of it is saved');
    expect(await acceptAll(one, 'c1', [2])).toEqual([2]);
  },

  async 'what is not open is not held, and its opening goes on'({ one, two }) {
    await begun(one);
    await one.intend(EPOCH, 'c1');
    for (const cid of ['c1', 'c2']) {
      expect(await two.hold(EPOCH, cid)).toBeUndefined();
      await two.unhold(EPOCH, cid);
    }
    expect(await one.open(EPOCH, opening('c1'))).toBe(true);
    expect(await one.intend(EPOCH, 'c2')).toBe('mine');
  },

  async 'an opening that is closed under way opens nothing'({ one, two }) {
    await begun(one);
    await one.intend(EPOCH, 'c1');
    await two.close(EPOCH, 'c1', LONG_MS);
    expect(await one.open(EPOCH, opening('c1'))).toBe(false);
    expect(await one.intend(EPOCH, 'c1')).toBe('held');
  },
};

function tail(head: number, rev: number, savedHead = head, savedRev = rev) {
  return { head, rev, savedHead, savedRev };
}
