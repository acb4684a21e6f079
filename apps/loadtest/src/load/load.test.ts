import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { htmlReport } from './html.ts';
import { intendedOf, makeMid } from './mid.ts';
import { rolesOf } from './plan.ts';
import { summarise } from './result.ts';
import { FrameScanner, scanMessage } from './scanner.ts';
import { intendedMs } from './schedule.ts';
import { createCounts, createHistograms, mergeHistograms, percentilesOf } from './stats.ts';
import { SeqTracker } from './tracker.ts';

// Goal: the generator measures what it says. Method: its parts, one by one.

test('spread divides the interval among the clients, burst does not', () => {
  const rate = { clients: 4, msgIntervalMs: 1_000 };
  expect([0, 1, 2, 3].map((index) => intendedMs({ ...rate, sendModel: 'spread' }, index, 1))).toEqual([1_000, 1_250, 1_500, 1_750]);
  expect([0, 1, 2, 3].map((index) => intendedMs({ ...rate, sendModel: 'burst' }, index, 2))).toEqual([2_000, 2_000, 2_000, 2_000]);
});

test('the intended time travels in the mid', () => {
  expect(intendedOf(makeMid('Lx', 12, 3, 123_456_789_012))).toBe(123_456_789_012);
});

test('frames are found however the stream is cut', () => {
  const payloads = [5, 130, 70_000].map((length) => Buffer.alloc(length, 'a'));
  const heads = [Buffer.from([0x81, 5]), Buffer.from([0x81, 126, 0, 130]), Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70])];
  const stream = Buffer.concat(payloads.flatMap((payload, at) => [heads[at]!, payload]));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 20 }), (cuts) => {
      const got: number[] = [];
      const scanner = new FrameScanner({ text: (payload) => void got.push(payload.length), ping: () => {}, close: () => {} });
      const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
      for (let at = 1; at < edges.length; at++) scanner.push(stream.subarray(edges[at - 1], edges[at]));
      expect(got).toEqual([5, 130, 70_000]);
    }),
  );
});

test('a message is read without parsing it', () => {
  const frame = { t: 'message', cid: 'c1', seq: 42, rev: 43, mid: 'L-1-2-3', from: 'ada', at: 1, kind: 'text', body: { text: '"seq":7' } };
  expect(scanMessage(Buffer.from(JSON.stringify(frame)))).toEqual({ cid: 'c1', seq: 42, mid: 'L-1-2-3' });
});

describe('a receiver counts', () => {
  test.each([
    [[1, 2, 3], { received: 3, gaps: 0, duplicates: 0, reorders: 0 }],
    [[1, 3], { received: 2, gaps: 1, duplicates: 0, reorders: 0 }],
    [[1, 3, 2], { received: 3, gaps: 0, duplicates: 0, reorders: 1 }],
    [[1, 2, 2], { received: 2, gaps: 0, duplicates: 1, reorders: 0 }],
  ])('%j', (seqs, counts) => {
    const tracker = new SeqTracker(1);
    for (const seq of seqs) tracker.receive(seq);
    expect(tracker).toMatchObject(counts);
  });
});

test('histograms of the workers add up', () => {
  const [all, one, two] = [createHistograms(), createHistograms(), createHistograms()];
  for (let us = 1; us <= 500; us++) one.e2e.record(us * 10);
  for (let us = 501; us <= 1_000; us++) two.e2e.record(us * 10);
  for (const part of [one, two]) mergeHistograms(all, part);
  const { count, p50, p99, max } = percentilesOf(all.e2e)!;
  expect([count, Math.round(p50), Math.round(p99 * 10), Math.round(max)]).toEqual([1_000, 5, 99, 10]);
  expect(percentilesOf(all.ping)).toBeUndefined();
});

test('roles come in the percentages asked for', () => {
  const roles = Array.from({ length: 100 }, (_, index) => rolesOf(index, { slowConsumerPct: 20, noReadPct: 10, flapPct: 5 }));
  expect(
    [roles.filter(({ slow }) => slow), roles.filter(({ noRead }) => noRead), roles.filter(({ flaps }) => flaps)].map(
      ({ length }) => length,
    ),
  ).toEqual([20, 10, 5]);
});

test('the page asks nobody for anything, keeps the secret, and escapes', () => {
  const worker = {
    counts: createCounts(),
    histograms: createHistograms(),
    expected: 0,
    delivered: 0,
    errors: new Map([['<script>', 1]]),
    cpuPct: 1,
  };
  const options = { mode: 'group', urls: ['x'], jwtSecret: 'the-secret' } as unknown as Parameters<typeof summarise>[0];
  const page = htmlReport(summarise(options, [worker], [{ second: 1, sent: 1, saved: 1, received: 1, cpuPct: 5, rssMiB: 50 }]), ['<b>']);
  expect(page).not.toMatch(/https?:|\bsrc=|<script|<link|the-secret|<b>/);
  expect(page.match(/<svg/g)).toHaveLength(4);
});
