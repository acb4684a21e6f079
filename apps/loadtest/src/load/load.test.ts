import { isUlid, ulidBound } from '@gapless/kit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, mayReturn } from './backoff.ts';
import { Hdr } from './hdr.ts';
import { htmlReport } from './html.ts';
import { LoopDelays, quantile, worstOf } from './loop-delay.ts';
import type { WorkerResult } from './messages.ts';
import { intendedOf, isMeasured, MID, makeMid, tagOf } from './mid.ts';
import { DEFAULTS, type LoadOptions } from './options.ts';
import { roleOf } from './plan.ts';
import { type Kind, problemOf } from './problem.ts';
import { printTable, summariseRepeats, tableOf } from './repeats.ts';
import { type LoadResult, summarise } from './result.ts';
import { FrameScanner, Scanned, scanMessage } from './scanner.ts';
import { intendedMs } from './schedule.ts';
import { findMax } from './search.ts';
import { conclude, type SelfTestStep } from './self-test.ts';
import { createCounts, createHistograms, histogramData, mergeHistograms, percentilesOf } from './stats.ts';
import { printResult, searchTable } from './text.ts';
import { failuresOf } from './thresholds.ts';
import { SeqTracker } from './tracker.ts';

// Goal: the generator measures what it says. Method: its parts, one by one.

test('spread divides the interval among the clients, burst does not', () => {
  const rate = { clients: 4, msgIntervalMs: 1_000 };
  expect([0, 1, 2, 3].map((index) => intendedMs({ ...rate, sendModel: 'spread' }, index, 1))).toEqual([1_000, 1_250, 1_500, 1_750]);
  expect([0, 1, 2, 3].map((index) => intendedMs({ ...rate, sendModel: 'burst' }, index, 2))).toEqual([2_000, 2_000, 2_000, 2_000]);
});

test('the intended time travels in the mid', () => {
  for (const measured of [true, false]) {
    const mid = makeMid({ tag: tagOf('Lx'), client: 12, intendedUs: 123_456_789_012, measured });
    expect([intendedOf(mid), isMeasured(mid)]).toEqual([123_456_789_012, measured]);
    // A ULID of now: the server need not look for it among the old ones.
    expect([isUlid(mid), mid > ulidBound(Date.now() - 60_000), mid < ulidBound(Date.now() + 60_000)]).toEqual([true, true, true]);
  }
});

test('frames are found however the stream is cut', () => {
  const payloads = [5, 130, 70_000].map((length) => Buffer.alloc(length, 'a'));
  const heads = [Buffer.from([0x81, 5]), Buffer.from([0x81, 126, 0, 130]), Buffer.from([0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70])];
  const stream = Buffer.concat(payloads.flatMap((payload, at) => [heads[at]!, payload]));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 20 }), (cuts) => {
      const got: number[] = [];
      const scanner = new FrameScanner({ text: (_, start, end) => void got.push(end - start), ping: () => {}, close: () => {} });
      const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
      for (let at = 1; at < edges.length; at++) scanner.push(stream, edges[at - 1]!, edges[at]!);
      expect(got).toEqual([5, 130, 70_000]);
    }),
  );
});

describe('a message is read without parsing it', () => {
  const rest = { from: 'ada', at: 1, kind: 'text', body: { text: '"seq":7' } };
  const scan = (frame: object) => {
    const bytes = Buffer.from(`..${JSON.stringify(frame)}`);
    const scanned = new Scanned();
    const fits = scanMessage(bytes, 2, bytes.length, Buffer.from(tagOf('Lx')), scanned);
    return { fits, ...scanned, mid: bytes.toString('latin1', scanned.midStart, scanned.midEnd) };
  };

  test.each([true, false])('of this run, measured: %s', (measured) => {
    const mid = makeMid({ tag: tagOf('Lx'), client: 12, intendedUs: 123_456_789_012, measured, node: 4 });
    const read = scan({ t: 'message', cid: 'c1', seq: 42, rev: 43, mid, ...rest });
    expect(read).toMatchObject({ fits: true, seq: 42, mid, own: true, measured, client: 12, node: 4, intendedUs: 123_456_789_012 });
  });

  test('of someone else', () => {
    const other = makeMid({ tag: tagOf('Ly'), client: 12, intendedUs: 1 });
    for (const mid of [other, 'short', `${'x'.repeat(MID.tagAt)}${tagOf('Lx')}and-longer-than-ours`])
      expect(scan({ t: 'message', cid: 'c1', seq: 1, rev: 1, mid, ...rest })).toMatchObject({ fits: true, own: false, mid });
  });

  test('in another order of fields: told, not guessed', () => {
    expect(scan({ t: 'message', cid: 'c1', rev: 43, seq: 42, mid: 'Lx-1-2-3', ...rest }).fits).toBe(false);
  });
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

test('percentiles are those of the sorted values, within a thousandth', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 300 }), (values) => {
      const hdr = new Hdr();
      for (const value of values) hdr.record(value);
      const sorted = values.toSorted((a, b) => a - b);
      for (const percent of [0.1, 50, 90, 99, 99.9, 100]) {
        const exact = sorted[Math.max(1, Math.ceil((percent / 100) * sorted.length)) - 1]!;
        const got = hdr.percentile(percent);
        expect(got).toBeGreaterThanOrEqual(exact);
        expect(got).toBeLessThanOrEqual(exact * 1.001);
      }
      expect(hdr.bars().reduce((sum, [, count]) => sum + count, 0)).toBe(values.length);
    }),
  );
});

test('histograms of the workers add up', () => {
  const [all, one, two] = [createHistograms(), createHistograms(), createHistograms()];
  for (let us = 1; us <= 500; us++) one.e2e.record(us * 10);
  for (let us = 501; us <= 1_000; us++) two.e2e.record(us * 10);
  for (const part of [one, two]) mergeHistograms(all, histogramData(part));
  const { count, p50, p99, max } = percentilesOf(all.e2e)!;
  expect([count, Math.round(p50), Math.round(p99 * 10), Math.round(max)]).toEqual([1_000, 5, 99, 10]);
  expect(percentilesOf(all.ping)).toBeUndefined();
});

test('roles come in the percentages asked for', () => {
  const roles = Array.from({ length: 100 }, (_, index) => roleOf(index, { slowConsumerPct: 20, noReadPct: 10, flapPct: 5 }));
  expect(['slow', 'noRead', 'flaps', 'fast'].map((name) => roles.filter((role) => role === name).length)).toEqual([20, 10, 5, 65]);
});

test('the wait before a return doubles from 500 ms to 8 s, with full jitter; some codes are final', () => {
  expect([0, 1, 2, 3, 4, 5, 50].map((attempt) => backoffMs(attempt, () => 1))).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  expect(backoffMs(3, () => 0)).toBe(0);
  expect([1001, 1006, 4408, 4409, 4429].every(mayReturn)).toBe(true);
  expect([1009, 4400, 4401, 4403].some(mayReturn)).toBe(false);
});

describe('the search for the highest rate', () => {
  const upTo = (limit: number) => (rate: number) => Promise.resolve({ held: rate <= limit, outcome: rate });

  test('ends close below it', async () => {
    const { bestPerSec, open, steps } = await findMax(100, upTo(1_234));
    expect(open).toBe(false);
    expect(bestPerSec!).toBeLessThanOrEqual(1_234);
    expect(bestPerSec! * 1.15).toBeGreaterThan(1_234);
    expect(steps.length).toBeLessThan(10);
  });

  test('says when even the first does not hold, or none fails', async () => {
    expect(await findMax(100, upTo(50))).toMatchObject({ open: false, steps: [{ held: false }] });
    expect(await findMax(100, upTo(1e9))).toMatchObject({ open: true, bestPerSec: 6_400 });
  });
});

describe('the ceiling of the generator', () => {
  const step = (takenPerSec: number, generatorCpuPct: number) => ({ takenPerSec, generatorCpuPct, cpuUsPerMessage: 1 }) as SelfTestStep;

  test('is what it took while it was not busy', () => {
    expect(conclude([step(1_000, 20), step(4_000, 75), step(5_000, 95)])).toMatchObject({ ceilingPerSec: 4_000, atLeast: false });
  });

  test('is higher when it never was', () => {
    expect(conclude([step(1_000, 20), step(2_000, 30)])).toMatchObject({ ceilingPerSec: 2_000, atLeast: true });
  });
});

const LOOP = { loopP99Ms: 14.4, loopMaxMs: 40.4 };

/** Two nodes, the other one 2 ms further. */
function hopOf(): WorkerResult['histograms'] {
  const histograms = createHistograms();
  histograms.e2eSame.record(5_000);
  histograms.e2eOther.record(7_000);
  return histogramData(histograms);
}

function resultOf(change: Partial<WorkerResult> = {}, options: Partial<LoadOptions> = {}, e2eMs = 10): LoadResult {
  const histograms = createHistograms();
  for (let i = 0; i < 10; i++) for (const name of ['e2e', 'saved', 'resume'] as const) histograms[name].record(e2eMs * 1_000);
  const worker: WorkerResult = {
    ...{ counts: createCounts(), histograms: histogramData(histograms), expected: 10, delivered: 10 },
    ...{ rates: { saved: 5, received: 50 }, drained: { saved: 1, received: 7 } },
    ...{ lost: new Set<string>(), errors: new Map(), kicks: new Map(), cpuPct: 1, drainMs: 5, behind: 0, ...change },
  };
  const second = {
    second: 1,
    sent: 1,
    saved: 1,
    received: 1,
    cpuPct: 5,
    rssMiB: 50,
    e2eP50Ms: 1,
    e2eP99Ms: 2,
    savedP50Ms: 1,
    savedP99Ms: 1,
  };
  return summarise(
    { ...DEFAULTS, mode: 'group', jwtSecret: 'the-secret', ...options },
    [worker],
    [{ ...second, loopP99Ms: 11, loopMaxMs: 12 }],
    { loop: { run: LOOP, storm: LOOP } },
  );
}

describe('a run fails', () => {
  test.each([
    [{}, {}, []],
    [{ counts: { ...createCounts(), gaps: 2, reorders: 1 } }, {}, ['2 gaps', '1 reorders']],
    [{ errors: new Map([['closed 1006', 3]]) }, {}, ['3 errors, at most 0 allowed']],
    [{ errors: new Map([['closed 1006', 3]]) }, { failErrors: 3 }, []],
    [{ delivered: 9, behind: 1, drainMs: 60_000 }, {}, ['90.000 % delivered, 100 required', '1 clients behind after 60.0 s']],
    [{ delivered: 9, behind: 1, drainMs: 60_000 }, { failDeliveredPct: 90 }, ['1 clients behind after 60.0 s']],
    [{ delivered: 9 }, { failDeliveredPct: 90 }, []],
    [{ counts: { ...createCounts(), accepted: 5, saved: 3, unsaved: 2 } }, {}, ['2 accepted and never saved']],
    [
      {},
      { failP99Ms: 9, failSavedP99Ms: 11, failResumeP99Ms: 9 },
      ['e2e p99 10.0 ms, at most 9 allowed', 'resume p99 10.0 ms, at most 9 allowed'],
    ],
    [{}, { failStormLoopP99Ms: 15 }, []],
    [{}, { failStormLoopP99Ms: 14 }, ['event loop p99 of the storm 14.4 ms, at most 14 allowed']],
    [{ histograms: histogramData(createHistograms()) }, { failP99Ms: 9 }, ['e2e: nothing was measured']],
    [{ histograms: hopOf() }, { failHopP50Ms: 2.1 }, []],
    [{ histograms: hopOf() }, { failHopP50Ms: 1.9 }, ['another node adds 2.00 ms at p50, at most 1.9 allowed']],
    [{}, { failHopP50Ms: 2 }, ['hop: nothing was measured']],
  ])('%#', (change, thresholds, failures) => {
    expect(failuresOf(resultOf(change), thresholds)).toEqual(failures);
  });
});

describe('the event loop of the server', () => {
  /** Observations up to 10 ms, up to 20 ms, and all. */
  const scrape = (secondAt: number, counts?: readonly [number, number, number], maxMs = 12) => ({
    askedUs: secondAt * 1e6,
    answeredUs: secondAt * 1e6 + 1_000,
    metrics: [
      ...['0.01', '0.02', '+Inf'].flatMap((le, at) =>
        counts === undefined ? [] : `gapless_event_loop_delay_seconds_bucket{le="${le}"} ${counts[at]}`,
      ),
      `nodejs_eventloop_lag_max_seconds ${maxMs / 1_000}`,
      `nodejs_eventloop_lag_p99_seconds ${(maxMs - 1) / 1_000}`,
    ].join('\n'),
  });
  const told = (...scrapes: ReturnType<typeof scrape>[]) => {
    const loop = new LoopDelays();
    for (const each of scrapes) loop.add(each);
    return loop;
  };

  test('p99 of a span is that of what came between two scrapes, wherever they were', () => {
    const loop = told(
      scrape(0, [50, 50, 50], 90),
      scrape(1, [150, 150, 150]),
      scrape(2, [150, 250, 250], 20),
      scrape(3, [950, 1_050, 1_050]),
    );
    expect(loop.between(1.5e6, 1.9e6)).toEqual({ loopP99Ms: expect.closeTo(19.9), loopMaxMs: 20 });
    expect(loop.between(0.5e6, 0.9e6)).toEqual({ loopP99Ms: expect.closeTo(9.9), loopMaxMs: 12 });
    expect(loop.between(0.5e6, 9e6)).toEqual({ loopP99Ms: expect.closeTo(19), loopMaxMs: 20 });
  });

  test('a server that was started again counts from zero', () => {
    const loop = told(scrape(0, [500, 500, 500]), scrape(1, [600, 600, 600]), scrape(2, [0, 100, 100]));
    expect(loop.between(0.5e6, 2e6).loopP99Ms).toBeCloseTo(19.8);
  });

  test.each([
    [0.5, [0, 100, 100], 0.015],
    [0.99, [0, 10, 100], 0.02],
    [0.99, [0, 0, 0], undefined],
  ] as const)('quantile %d of %j: inside a bucket as if spread evenly, above the last bound that bound', (part, upTo, value) => {
    const found = quantile(
      [0.01, 0.02, Infinity].map((bound, at) => [bound, upTo[at]!]),
      part,
    );
    expect(found).toEqual(value === undefined ? undefined : expect.closeTo(value));
  });

  test('an older server tells the worst second, and that is named', () => {
    const loop = told(scrape(0), scrape(1, undefined, 30), scrape(2, undefined, 20));
    const delay = loop.between(0.5e6, 2e6);
    expect(delay).toEqual({ loopScrapeP99Ms: 29, loopMaxMs: 30 });
    const result = { ...resultOf(), storm: delay };
    expect(printResult(result, [])).toContain('event loop p99 of the worst second 29, max 30 ms (no histogram)');
    expect(failuresOf(result, { failStormLoopP99Ms: 100 })).toEqual(['storm: the p99 of the event loop was not measured']);
  });

  test('of several nodes the worst counts; of a run it is printed', () => {
    expect(worstOf([LOOP, { loopP99Ms: 3, loopMaxMs: 50 }, {}])).toEqual({ loopP99Ms: 14.4, loopMaxMs: 50 });
    const text = printResult({ ...resultOf(), stormMs: 1_234 }, []);
    expect(text).toContain('after 1.23 s, event loop p99 14, max 40 ms');
    expect(text).toContain('RSS up to 50 MiB, event loop p99 14, max 40 ms');
  });
});

test('rates are of the time of sending; what came in the drain has a name of its own', () => {
  const result = resultOf({ counts: { ...createCounts(), saved: 1_000, received: 9_000 } });
  expect(result).toMatchObject({ rates: { saved: 5, received: 50 }, drain: { saved: 1, received: 7 } });
  expect(summariseRepeats([result]).median).toMatchObject({ 'saved/s': 5, 'received/s': 50 });
  const search = { steps: [{ ratePerSec: 10, held: true, outcome: { result, failures: [] } }], open: true };
  expect(searchTable(search)[1]![1]).toBe('50');
  expect(printResult(result, [])).toContain('1 saved and 7 received only then');
});

test('repeats give median and worst of each figure', () => {
  const repeated = summariseRepeats([10, 30, 20].map((ms) => resultOf({}, {}, ms)));
  expect(repeated.median['e2e p99']).toBeCloseTo(20, 1);
  expect(repeated.worst['e2e p99']).toBeCloseTo(30, 1);
  expect(repeated.worst['delivered %']).toBe(100);
  const rows = tableOf(repeated);
  expect(rows.map(([name]) => name)).toEqual(['run', '1', '2', '3', 'median', 'worst']);
  expect(rows[0]).not.toContain('ping p99');
  expect(
    new Set(
      printTable(rows)
        .split('\n')
        .map((line) => line.length),
    ).size,
  ).toBe(1);
});

describe('options that make no sense are refused in one line that names the flag', () => {
  const kind: Kind = { repeats: 1, selfTest: false };
  test.each<[Partial<LoadOptions>, Partial<Kind>, RegExp | undefined]>([
    [{}, {}, undefined],
    [{ clients: 0 }, {}, /^--clients/],
    [{ clients: 3 }, {}, /^--clients: an even number/],
    [{ durationMs: 0 }, {}, /^--duration/],
    [{ warmUpMs: 10_000 }, {}, /^--warm-up/],
    [{ bodyBytes: 20_000 }, {}, /^--body-bytes/],
    [{ slowConsumerPct: 60, noReadPct: 50 }, {}, /^--slow-consumer-pct/],
    [{ urls: ['localhost'] }, {}, /^--urls: "localhost"/],
    [{ groupSize: 5 }, {}, /^--group-size/],
    [{ senders: 1 }, {}, /^--group-size, --senders: only/],
    [{ mode: 'group', senders: 1.5 }, {}, /^--senders/],
    [{ clients: 50_002, localAddresses: ['127.0.0.1', '127.0.0.2'] }, {}, /^--local-addresses: 50002 clients take 3/],
    [{ clients: 50_000, localAddresses: ['127.0.0.1', '127.0.0.2'] }, {}, undefined],
    [{ resumeAtOnce: true }, {}, /^--resume-at-once: only in mode resume/],
    [{ mode: 'ping', flapPct: 5 }, {}, /^--flap-pct: not in mode ping/],
    [{ mode: 'connect', connectRate: 5 }, {}, /^--closed-loop, --connect-rate/],
    [{ mode: 'resume' }, { findMaxP99Ms: 800 }, /^--find-max-p99-ms/],
    [{}, { findMaxP99Ms: 800, repeats: 2 }, /^--find-max-p99-ms/],
    [{}, { repeats: 0 }, /^--repeats/],
    [{ mode: 'group' }, { selfTest: true }, /^--self-test: .*--mode/],
  ])('%j %j', (options, change, problem) => {
    const found = problemOf({ ...DEFAULTS, ...options }, { ...kind, ...change });
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(problem);
  });
});

test('the page asks nobody for anything, keeps the secret, and escapes', () => {
  const result = resultOf({ errors: new Map([['<script>', 1]]) }, { urls: ['x'] });
  const page = htmlReport([{ result, failures: ['<b>'] }]);
  expect(page).not.toMatch(/https?:|\bsrc=|<script|<link|the-secret|<b>/);
  expect(page.match(/<svg/g)).toHaveLength(8);
  const both = htmlReport(
    [1, 2].map(() => ({ result, failures: [] })),
    summariseRepeats([result, result]),
  );
  expect(both.match(/<svg/g)).toHaveLength(16);
  expect(both).toContain('<td>median</td>');
});

test('two phases are told only where there were two', () => {
  expect(printResult(resultOf(), [])).not.toContain('accepted');
  const histograms = createHistograms();
  histograms.accepted.record(2_000);
  const counts = { ...createCounts(), sent: 9, accepted: 9, saved: 8, unsaved: 1, voided: 2 };
  const text = printResult(resultOf({ counts, histograms: histogramData(histograms), lost: new Set(['c 7', 'c 8', 'd 7']) }), []);
  expect(text).toContain('two phases: accepted 9  never saved 1  sent again because their number was lost 2  numbers lost 3');
  expect(text).toMatch(/^accepted +2\.0/m);
});
