import type { AcceptLog, AcceptTail, OpeningTicket } from '@gapless/core';
import { expect } from 'vitest';
import type { AcceptLogs } from './accept-log.ts';
import {
  acceptAll,
  accepted,
  acceptOne,
  ask,
  begun,
  EPOCH,
  everyEntry,
  openAll,
  opening,
  openOne,
  refused,
  saveAll,
  seqsOf,
  ticketFor,
  ulidOf,
} from './accept-log-requests.ts';
import { range } from './commands.ts';
import type { Cases } from './contract.ts';
import { until } from './feed-reader.ts';

/** Longer than a test. */
const LONG_MS = 600_000;

export const openingCases: Cases<AcceptLogs> = {
  async 'one node opens a conversation, the others see that it does'({ one, two }) {
    await begun(one);
    expect(await acceptOne(one, ask('c1', ulidOf(1)))).toEqual(refused('closed'));
    const ticket = await ticketFor(one, 'c1');
    for (const log of [one, two]) expect(await log.intend(EPOCH, 'c1')).toBe('opening');
    for (const log of [one, two]) expect(await acceptOne(log, ask('c1', ulidOf(1)))).toEqual(refused('opening'));
    expect(await two.tails(EPOCH, ['c1'])).toEqual([undefined]);
    expect(await two.open(EPOCH, opening('c1', { opening: ticket.opening + 1, head: 50 }))).toBe(false);
    expect(await one.open(EPOCH, opening('c1', { opening: ticket.opening }))).toBe(true);
    for (const log of [one, two]) expect(await log.intend(EPOCH, 'c1')).toBe('open');
    expect(await two.tails(EPOCH, ['c1'])).toEqual([tail(ticket.opening, 0)]);
  },

  async 'of many nodes that want to open it exactly one does'({ one, two }) {
    await begun(one);
    const intents = await Promise.all(range(20).map((n) => (n % 2 === 0 ? one : two).intend(EPOCH, 'c1')));
    expect(intents.filter((intent) => intent === 'opening')).toHaveLength(19);
    const [ticket] = intents.filter((intent) => typeof intent !== 'string');
    expect(ticket!.first).toBe(ticket!.opening);
  },

  async 'every ticket is larger than all before, of whichever conversation'({ one, two }) {
    await begun(one);
    const tickets = [];
    for (const n of range(6)) tickets.push(await ticketFor(n % 2 === 0 ? one : two, `c${n}`));
    const numbers = tickets.map(({ opening }) => opening);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(tickets.map(({ first }) => first)).toEqual(numbers);
    expect(numbers[0]).toBeGreaterThan(0);
  },

  async 'only what was intended is opened, once'({ one, two }) {
    await begun(one);
    for (const none of [0, 1]) expect(await one.open(EPOCH, opening('c1', { opening: none }))).toBe(false);
    const { opening: own } = await ticketFor(one, 'c1');
    expect(await one.open(EPOCH, opening('c1', { opening: own, head: 2, rev: 3 }))).toBe(true);
    for (const log of [one, two]) expect(await log.open(EPOCH, opening('c1', { opening: own, head: 50 }))).toBe(true);
    for (const log of [one, two]) expect(await log.intend(EPOCH, 'c1')).toBe('open');
    const none = undefined;
    expect(await two.tails(EPOCH, ['c1', 'c2', 'c1'])).toEqual([tail(own, 2, 3), none, tail(own, 2, 3)]);
  },

  async 'of two openers the slow one, who was first, opens nothing'({ one, two }) {
    await begun(one);
    const slow = await ticketFor(one, 'c1');
    const quick = await takenOver(two, 'c1');
    expect(quick.opening).toBeGreaterThan(slow.opening);
    expect(await one.open(EPOCH, opening('c1', { opening: slow.opening, head: 50 }))).toBe(false);
    expect(await acceptOne(one, ask('c1', ulidOf(1)))).toEqual(refused('opening'));
    expect(await two.open(EPOCH, opening('c1', { opening: quick.opening, head: 3 }))).toBe(true);
    // It is open; what the slow one read in the store counts for nothing.
    expect(await one.open(EPOCH, opening('c1', { opening: slow.opening, head: 50 }))).toBe(true);
    expect(await one.tails(EPOCH, ['c1'])).toEqual([tail(quick.opening, 3, 0)]);
    expect(await acceptOne(one, ask('c1', ulidOf(1)))).toEqual(accepted(4, { rev: 1 }));
  },

  async 'an opening that nobody ends is taken over again and again, and its first one stays known'({ one, two }) {
    await begun(one);
    const tickets = [await ticketFor(one, 'c1')];
    const aside = await ticketFor(one, 'c2');
    for (const log of [two, one, two]) tickets.push(await takenOver(log, 'c1'));
    const numbers = tickets.map(({ opening }) => opening);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(numbers[1]).toBeGreaterThan(aside.opening);
    expect(tickets.map(({ first }) => first)).toEqual(tickets.map(() => numbers[0]));
    for (const stale of numbers.slice(0, 3)) expect(await one.open(EPOCH, opening('c1', { opening: stale }))).toBe(false);
    expect(await one.open(EPOCH, opening('c1', { opening: numbers[3]! }))).toBe(true);
    // It came to its end: the next one is the first of another row.
    await one.hold(EPOCH, 'c1');
    await one.close(EPOCH, 'c1', { opening: numbers[3]!, holdMs: 0 });
    const next = await ticketFor(one, 'c1');
    expect(next.first).toBe(next.opening);
    expect(next.opening).toBeGreaterThan(numbers[3]!);
  },

  async 'an opening that took long still counts where nobody else began one'({ one }) {
    await begun(one);
    const { opening: own } = await ticketFor(one, 'c1');
    await until(async () => {
      const outcome = await acceptOne(one, ask('c1', ulidOf(1)));
      return !outcome.ok && outcome.code === 'closed';
    });
    expect(await one.open(EPOCH, opening('c1', { opening: own }))).toBe(true);
    expect(await acceptAll(one, 'c1', [1])).toEqual([1]);
  },

  async 'a held conversation takes nothing more in its opening'({ one, two }) {
    await begun(one, 'c1', 'c2');
    await acceptAll(one, 'c1', [1, 2]);
    const held = await two.hold(EPOCH, 'c1');
    const { opening: own } = held!;
    expect(held).toEqual(tail(own, 2, 2, 0, 0));
    expect(await one.accept(EPOCH, [ask('c1', ulidOf(3)), ask('c2', ulidOf(3))])).toEqual([refused('held'), accepted(1)]);
    expect(await one.intend(EPOCH, 'c1')).toBe('held');
    expect(await one.open(EPOCH, opening('c1', { opening: own, head: 50 }))).toBe(true);
    expect(await acceptOne(two, ask('c1', ulidOf(2)))).toEqual(refused('held'));
    await saveAll(one);
    expect(await one.hold(EPOCH, 'c1')).toEqual(tail(own, 2));
    expect(await one.tails(EPOCH, ['c1'])).toEqual([tail(own, 2)]);
    for (const log of [one, two]) expect(await acceptOne(log, ask('c1', ulidOf(3)))).toEqual(refused('held'));
    await one.close(EPOCH, 'c1', { opening: own, holdMs: 0 });
    await openOne(two, opening('c1', { head: 2, rev: 2 }));
    expect(await acceptAll(one, 'c1', [3])).toEqual([3]);
  },

  async 'a closed conversation is opened again only after its time, with what the store has then'({ one, two }) {
    await begun(one, 'c1', 'c2');
    for (const [cid, holdMs] of [['c1', LONG_MS] as const, ['c2', 30] as const]) {
      await acceptAll(one, cid, [1]);
      const { opening: own } = (await one.hold(EPOCH, cid))!;
      await saveAll(one);
      await one.close(EPOCH, cid, { opening: own, holdMs });
    }
    for (const log of [one, two]) {
      expect(await log.intend(EPOCH, 'c1')).toBe('held');
      expect(await acceptOne(log, ask('c1', ulidOf(2)))).toEqual(refused('held'));
    }
    expect(await one.tails(EPOCH, ['c1', 'c2'])).toEqual([undefined, undefined]);
    const ticket = await takenOver(two, 'c2');
    expect(ticket.first).toBe(ticket.opening);
    const again = opening('c2', { opening: ticket.opening, head: 1, rev: 4, knownFrom: ulidOf(1) });
    expect(await two.open(EPOCH, again)).toBe(true);
    expect(await acceptOne(one, ask('c2', ulidOf(1)))).toEqual(refused('unsure'));
    expect(await acceptOne(one, ask('c2', ulidOf(2)))).toEqual(accepted(2, { rev: 5 }));
    expect(await one.pending(EPOCH, 'c2', { after: 0, limit: 10 })).toMatchObject([{ seq: 2, rev: 5 }]);
    expect(await one.intend(EPOCH, 'c1')).toBe('held');
  },

  async 'what is not held is not closed, whatever the opening'({ one, two }) {
    await begun(one, 'c1');
    const [open] = await one.tails(EPOCH, ['c1']);
    await two.close(EPOCH, 'c1', { opening: open!.opening, holdMs: LONG_MS });
    await two.close(EPOCH, 'c3', { opening: 1, holdMs: LONG_MS });
    expect(await acceptAll(one, 'c1', [1])).toEqual([1]);
    const { opening: own } = await ticketFor(one, 'c2');
    await two.close(EPOCH, 'c2', { opening: own, holdMs: LONG_MS });
    expect(await one.open(EPOCH, opening('c2', { opening: own }))).toBe(true);
    expect((await ticketFor(one, 'c3')).opening).toBeGreaterThan(own);
  },

  async 'to close an older opening does nothing to a newer one, open or held'({ one, two }) {
    await begun(one, 'c1');
    const { opening: older } = (await one.hold(EPOCH, 'c1'))!;
    await one.close(EPOCH, 'c1', { opening: older, holdMs: 0 });
    // Its answer was lost, and it is done again, while another node opens, uses and holds it.
    const { opening: newer } = await ticketFor(two, 'c1');
    const close = () => one.close(EPOCH, 'c1', { opening: older, holdMs: LONG_MS });
    await close();
    expect(await two.open(EPOCH, opening('c1', { opening: newer }))).toBe(true);
    await close();
    expect(await acceptAll(two, 'c1', [1])).toEqual([1]);
    expect(await two.hold(EPOCH, 'c1')).toEqual(tail(newer, 1, 1, 0, 0));
    await close();
    expect(await two.tails(EPOCH, ['c1'])).toEqual([tail(newer, 1, 1, 0, 0)]);
    await saveAll(two);
    await two.close(EPOCH, 'c1', { opening: newer, holdMs: LONG_MS });
    expect(await two.tails(EPOCH, ['c1'])).toEqual([undefined]);
    // The time for which it is closed is that of the first one.
    await two.close(EPOCH, 'c1', { opening: newer, holdMs: 0 });
    expect(await two.intend(EPOCH, 'c1')).toBe('held');
  },

  async 'what the store has and was not told here: it is closed, and its entries stay until they are told'({ one, two }) {
    await begun(one, 'c1');
    await acceptAll(one, 'c1', [1, 2]);
    const { opening: own } = (await one.hold(EPOCH, 'c1'))!;
    await one.close(EPOCH, 'c1', { opening: own, holdMs: 0 });
    expect(await one.pending(EPOCH, 'c1', { after: 0, limit: 10 })).toEqual([]);
    await openAll(two, opening('c1', { head: 2, rev: 2, reserved: 3 }));
    expect(await acceptAll(two, 'c1', [3])).toEqual([3]);
    expect(await two.backlog(EPOCH)).toMatchObject({ entries: 3 });
    const { shard, entries } = (await everyEntry(one)).find((each) => each.entries.length > 0)!;
    expect(seqsOf(entries)).toEqual([1, 2, 3]);
    const ids = entries.slice(0, 2).map(({ id }) => id);
    await one.saved(EPOCH, shard, ids, [{ cid: 'c1', head: 2, rev: 2, reserved: 10_000 }]);
    expect(await two.tails(EPOCH, ['c1'])).toMatchObject([{ head: 3, savedHead: 2, savedRev: 2 }]);
    expect(await two.pending(EPOCH, 'c1', { after: 0, limit: 10 })).toMatchObject([{ seq: 3 }]);
    expect(await two.backlog(EPOCH)).toMatchObject({ entries: 1 });
    // What was reserved for the opening before ended with it.
    expect(await acceptOne(two, ask('c1', ulidOf(4)))).toEqual(refused('full'));
  },

  async 'what is not open is not held, and its opening goes on'({ one, two }) {
    await begun(one);
    const { opening: own } = await ticketFor(one, 'c1');
    for (const cid of ['c1', 'c2']) expect(await two.hold(EPOCH, cid)).toBeUndefined();
    expect(await one.open(EPOCH, opening('c1', { opening: own }))).toBe(true);
    await ticketFor(one, 'c2');
  },
};

/** Waits until it can be opened. */
async function takenOver(log: AcceptLog, cid: string): Promise<OpeningTicket> {
  return until(async () => {
    const ticket = await log.intend(EPOCH, cid);
    return typeof ticket !== 'string' && ticket;
  });
}

function tail(of: number, head: number, rev = head, savedHead = head, savedRev = rev): AcceptTail {
  return { opening: of, head, rev, savedHead, savedRev };
}
