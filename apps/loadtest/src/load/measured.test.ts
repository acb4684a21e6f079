import { expect, test } from 'vitest';
import type { What } from '../check/event.ts';
import { LoadContext } from './context.ts';
import type { HistoryWriter } from './history-writer.ts';
import { makeMid } from './mid.ts';
import { type ClientPlan, DEFAULTS, type Role } from './options.ts';
import { Receiver } from './receiver.ts';
import { tallyOf } from './tally.ts';
import { sharesOf, threadsFor } from './threads.ts';

// Goal: only what says something of the server is measured, and all that is missing is missed. Method: receivers, fed by hand.

const plan = (index: number, change: Partial<ClientPlan> = {}): ClientPlan => {
  return { index, user: `u${index}`, cid: 'c', node: 0, sends: true, role: 'fast', steady: false, ...change };
};

function receiving(change: Partial<ClientPlan>) {
  const context = new LoadContext('Lx', { ...DEFAULTS, jwtSecret: '' });
  const receiver = new Receiver(plan(1, change), context, '{}', () => {});
  receiver.joined(0, 0);
  let seq = 0;
  const got = (intendedUs: number, nowUs: number) => {
    seq++;
    const mid = makeMid({ tag: context.tag, client: 1, intendedUs });
    const data = Buffer.from(JSON.stringify({ t: 'message', cid: 'c', seq, rev: seq, mid, from: 'u', at: 1, kind: 'text', body: {} }));
    receiver.message(data, 0, data.length, nowUs);
  };
  return { context, receiver, got };
}

test('of the storm is what was to be sent in it, whenever it comes', () => {
  const { context, got } = receiving({ steady: true });
  const inStorm = () => context.histograms.e2eStorm.count;
  context.stormBegins(1_000);
  got(999, 1_500);
  expect([inStorm(), context.storm]).toEqual([0, true]);
  got(1_000, 1_600);
  expect(inStorm()).toBe(1);
  context.stormEnds(2_000);
  context.stormEnds(9_000);
  got(2_000, 7_000);
  expect([inStorm(), context.storm]).toEqual([2, false]);
  got(2_001, 7_000);
  expect([inStorm(), context.histograms.e2e.count]).toEqual([2, 4]);
});

test.each([
  ['slow', 4],
  ['noRead', 0],
] as const)('nothing that %s receives is e2e: not live, not after a kick, not in the drain', (role, ofItsOwn) => {
  const { context, receiver, got } = receiving({ role, steady: true });
  context.stormBegins(0);
  got(10, 20);
  receiver.returns(30, false);
  receiver.joined(3, 40);
  got(11, 50);
  got(12, 60);
  context.draining = true;
  got(13, 70);
  const { e2e, e2eSlow, e2eStorm } = context.histograms;
  expect([e2e.count, e2eStorm.count, context.window.e2e.count, e2eSlow.count]).toEqual([0, 0, 0, ofItsOwn]);
});

test('who never joined is missed, and nobody makes up for it', () => {
  const client = (received: number | undefined, cursor: number, from = 0) => {
    const tracker = received === undefined ? undefined : { received };
    return { head: 10, receiver: { from, tracker, has: (seq: number) => cursor >= seq } };
  };
  expect(tallyOf([client(10, 10), client(4, 10, 6)])).toEqual({ expected: 14, delivered: 14, behind: 0 });
  expect(tallyOf([client(25, 25), client(3, 3), client(undefined, 0)])).toEqual({ expected: 30, delivered: 13, behind: 2 });
});

// A row: clients of each kind in a row, threads, then the threads each kind is on.
test.each<[kinds: string[], count: number, expected: Record<string, number[]>]>([
  [['fast'], 2, { fast: [0, 1] }],
  [['fast', 'slow'], 1, { fast: [0], slow: [0] }],
  [['fast', 'slow'], 2, { fast: [0], slow: [1] }],
  [['fast', 'noRead', 'flaps'], 2, { fast: [0], noRead: [1], flaps: [0] }],
  [['fast', 'slow'], 4, { fast: [0, 1, 2], slow: [3] }],
  [['slow', 'noRead'], 2, { slow: [0, 1], noRead: [0, 1] }],
  [['steady'], 2, { steady: [0, 1] }],
  [['steady', 'fast'], 1, { steady: [0], fast: [0] }],
  [['steady', 'fast'], 2, { steady: [0], fast: [1] }],
  [['steady', 'fast'], 3, { steady: [0], fast: [1, 2] }],
  [['steady', 'fast', 'slow'], 2, { steady: [0], fast: [1], slow: [1] }],
  [['steady', 'fast', 'slow'], 3, { steady: [0], fast: [1], slow: [2] }],
])('threads: %j on %d', (kinds, count, expected) => {
  const plans = kinds.flatMap((kind, at) =>
    Array.from({ length: 12 }, (_, i) => {
      return plan(at * 12 + i, kind === 'steady' ? { steady: true } : { role: kind as Role });
    }),
  );
  const threadOf = threadsFor(plans, count);
  const found = kinds.map((kind, at) => [kind, [...new Set(plans.slice(at * 12, (at + 1) * 12).map(threadOf))].sort()]);
  expect(Object.fromEntries(found)).toEqual(expected);
});

test('workers are processes where one may not hold all connections, and each has clients of every node', () => {
  const plans = Array.from({ length: 60 }, (_, i) => plan(i, { node: i % 5 }));
  const options = { workers: 2, urls: ['a', 'b', 'c', 'd', 'e'] };
  const lengths = ({ shares }: ReturnType<typeof sharesOf>) => shares.map(({ length }) => length);
  const threads = sharesOf(plans, options, 60);
  expect([threads.ownProcess, lengths(threads)]).toEqual([false, [30, 30]]);
  const processes = sharesOf(plans, options, 20);
  expect([processes.ownProcess, lengths(processes)]).toEqual([true, [20, 20, 20]]);
  for (const share of processes.shares) expect(new Set(share.map(({ node }) => node)).size).toBe(5);
  const slow = plans.map((each) => ({ ...each, role: 'slow' as const }));
  expect(() => sharesOf([...plans, ...slow.slice(0, 21)], options, 20)).toThrow(/ulimit -n/);
});

test('what is only accepted, and what was lost, stands in the history', () => {
  const told: What[] = [];
  const history = { write: (_: string, what: What) => void told.push(what) } as unknown as HistoryWriter;
  const context = new LoadContext('Lx', { ...DEFAULTS, jwtSecret: '' }, history);
  const receiver = new Receiver(plan(1), context, '{"text":"x"}', (what) => void told.push(what));
  receiver.joined(0, 0);
  const frame = (seq: number, fields: object) => {
    const mid = makeMid({ tag: context.tag, client: 2, intendedUs: seq });
    const sent = { mid, from: 'u', at: 1, kind: 'text', body: { text: 'x' } };
    const data = Buffer.from(JSON.stringify({ t: 'message', cid: 'c', seq, rev: seq, ...sent, ...fields }));
    receiver.message(data, 0, data.length, 10);
  };
  frame(1, {});
  frame(2, { stage: 'accepted' });
  frame(3, { body: { text: 'y' }, stage: 'accepted' });
  frame(4, { mid: 'gone', from: 'system', kind: 'lost', body: {}, recalledAt: 5 });
  receiver.lost([2, 4]);
  expect(told.map((what) => (what.ev === 'recv' ? { seq: what.seq, stage: what.stage, lost: what.lost } : what))).toEqual([
    { seq: 1 },
    { seq: 2, stage: 'accepted' },
    { seq: 3, stage: 'accepted' },
    { seq: 4, lost: true },
    { ev: 'lost', seqs: [2, 4] },
  ]);
  const digests = told.map((what) => (what.ev === 'recv' ? what.h : ''));
  expect([digests[1] === digests[0], digests[2] === digests[0]]).toEqual([true, false]);
  expect([...context.lost]).toEqual(['c 4', 'c 2']);
});
