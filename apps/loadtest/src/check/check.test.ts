import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateHistory, LOST_NODE } from '../testing/generate.ts';
import { PLANTS } from '../testing/mutate.ts';
import { Random } from '../testing/random.ts';
import { ANOMALIES, type AnomalyName } from './anomalies.ts';
import { checkEvents } from './check.ts';
import { type HistoryEvent, historyEnd, historyEvent } from './event.ts';
import { checkFiles } from './files.ts';
import { printCheck } from './print.ts';

// Goal: a checker that can be believed. Method: a generator of good histories, on which it must be silent, and a mutator that plants one
// fault of each kind, every one of which it must name.

/** What the generator loses, that node had accepted. */
const LOSSES = { acceptedLossOf: [LOST_NODE] };

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

test('is silent on good histories, crashes, lost acks and reconnects included', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 8 }), (seed, devices) => {
      expect(checkEvents(generateHistory(seed, { devices })).anomalies).toEqual([]);
    }),
    { numRuns: 500 },
  );
});

test('is silent where accepted messages were lost and everybody was told', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 8 }), (seed, devices) => {
      const { anomalies, acceptedLost, acceptedLostReported } = checkEvents(generateHistory(seed, { devices, twoPhase: true }), LOSSES);
      expect(anomalies).toEqual([]);
      expect(acceptedLostReported).toBe(acceptedLost);
    }),
    { numRuns: 500 },
  );
});

test('the generator makes what it promises', () => {
  const events = Array.from({ length: 50 }, (_, seed) => generateHistory(seed)).flat();
  const of = (what: (event: HistoryEvent) => boolean) => events.filter(what).length;
  expect(of((event) => event.ev === 'ok' && event.dup === true)).toBeGreaterThan(10);
  expect(of((event) => event.ev === 'info')).toBeGreaterThan(50);
  expect(of((event) => event.ev === 'fail')).toBeGreaterThan(50);
  expect(of((event) => event.ev === 'recv' && event.via === 'replay')).toBeGreaterThan(100);
});

test('with two phases it loses what was accepted, and never what was saved', () => {
  const results = Array.from({ length: 50 }, (_, seed) => checkEvents(generateHistory(seed, { twoPhase: true })));
  const sum = (name: 'acceptedLost' | 'accepted' | 'saved' | 'acked') => results.reduce((total, result) => total + result[name], 0);
  expect(sum('acceptedLost')).toBeGreaterThan(50);
  expect(sum('accepted')).toBeGreaterThan(500);
  expect(sum('saved')).toBe(sum('acked'));
});

describe('a lost number', () => {
  const device = { p: 1, u: 'ada', d: 'd1', k: 1, cid: 'c1' };
  const sent: HistoryEvent = { ...device, t: 1, ev: 'invoke', op: 'send', mid: 'm1', h: 'h1' };
  const ok = (seq: number, t: number, stage?: 'accepted'): HistoryEvent => ({
    ...{ ...device, t, ev: 'ok', op: 'send', mid: 'm1', seq },
    ...(stage === undefined ? {} : { stage }),
  });
  const lost = historyEvent('c1', { seq: 1, mid: 'l1', from: 'system', h: 'h', lost: true });
  const kept = (seq: number) => historyEvent('c1', { seq, mid: 'm1', from: 'ada', h: 'h1' });
  const names = (...events: HistoryEvent[]) => checkEvents(events).anomalies.map(({ name }) => name);

  test('that was acknowledged as saved is a lost write, whatever was said before or after', () => {
    expect(names(sent, ok(1, 2, 'accepted'), ok(1, 3), lost)).toEqual(['lost-write']);
    expect(names(sent, ok(1, 2), ok(2, 3), lost, kept(2))).toEqual(['lost-write']);
  });

  test('that was acknowledged as accepted may be, when its sender is told: by the error, or by another number', () => {
    expect(names(sent, ok(1, 2, 'accepted'), lost)).toEqual(['silent-loss']);
    const error: HistoryEvent = { ...device, t: 3, ev: 'info', op: 'send', mid: 'm1', code: 'store_unavailable' };
    expect(names(sent, ok(1, 2, 'accepted'), error, lost)).toEqual([]);
    expect(names(sent, ok(1, 2, 'accepted'), ok(2, 3), lost, kept(2))).toEqual([]);
    // Told of something else before, it was not told of this.
    expect(names(sent, error, ok(1, 4, 'accepted'), lost)).toEqual(['silent-loss']);
  });

  test('without a message of kind lost in its place is a conflict, or a loss', () => {
    expect(names(sent, ok(1, 2, 'accepted'), ok(2, 3), kept(2))).toEqual(['hole', 'conflicting-ack']);
    expect(names(sent, ok(1, 2, 'accepted'), historyEvent('c1', { seq: 1, mid: 'other', from: 'bo', h: 'h' }))).toContain('silent-loss');
  });
});

describe('what was accepted', () => {
  const device = { p: 1, u: 'ada', d: 'd1', k: 1, cid: 'c1' };
  const sent: HistoryEvent = { ...device, t: 1, ev: 'invoke', op: 'send', mid: 'm1', h: 'h1' };
  const accepted: HistoryEvent = { ...device, t: 2, ev: 'ok', op: 'send', mid: 'm1', seq: 1, stage: 'accepted', by: 'n1' };
  const told: HistoryEvent = { ...device, t: 3, ev: 'info', op: 'send', mid: 'm1', code: 'store_unavailable' };
  const lost = historyEvent('c1', { seq: 1, mid: 'l1', from: 'system', h: 'h', lost: true });
  const names = (events: HistoryEvent[], acceptedLossOf?: string[]) =>
    checkEvents(events, acceptedLossOf === undefined ? {} : { acceptedLossOf }).anomalies.map(({ name }) => name);

  test('may be lost by the nodes that are named, and by nobody else', () => {
    const events = [sent, accepted, told, lost];
    expect(names(events)).toEqual([]);
    expect(names(events, ['n1', 'n2'])).toEqual([]);
    expect(names(events, ['n2'])).toEqual(['loss-without-cause']);
    expect(names(events, [])).toEqual(['loss-without-cause']);
  });

  test('is not lost in silence where the sender came back and was refused', () => {
    const refused: HistoryEvent = { ...device, t: 3, ev: 'fail', op: 'send', mid: 'm1', code: 'not_participant' };
    expect(names([sent, accepted, lost])).toEqual(['silent-loss']);
    expect(names([sent, accepted, { ...sent, t: 3 }, refused, lost])).toEqual([]);
  });

  test('and was found there by another node, was not accepted by that one', () => {
    const found: HistoryEvent = { ...accepted, dup: true, by: 'n2' };
    expect(names([sent, accepted, found, told, lost], ['n1'])).toEqual([]);
    expect(names([sent, found, told, lost], ['n1'])).toEqual([]);
    expect(names([sent, found, told, lost], [])).toEqual(['loss-without-cause']);
  });
});

test('an empty final history has lost what was saved', () => {
  const device = { p: 1, u: 'ada', d: 'd1', k: 1, cid: 'c1' };
  const events: HistoryEvent[] = [
    { ...device, t: 1, ev: 'invoke', op: 'send', mid: 'm1', h: 'h1' },
    { ...device, t: 2, ev: 'ok', op: 'send', mid: 'm1', seq: 1 },
  ];
  expect(checkEvents(events)).toMatchObject({ ok: true, withoutHistory: 1 });
  const read = checkEvents([...events, historyEnd('c1')]);
  expect(read.anomalies.map(({ name }) => name)).toEqual(['lost-write']);
  expect(read.withoutHistory).toBe(0);
});

test('joins that say nothing of what was missed before are counted', () => {
  const on = (k: number) => ({ p: 1, u: 'ada', d: 'd1', k, t: k, cid: 'c1', ev: 'joined' as const });
  const events: HistoryEvent[] = [
    { ...on(1), head: 3 },
    { ...on(2), since: 3, head: 5 },
    { ...on(3), since: 5, head: 9, reset: true },
    { ...on(4), head: 9 },
  ];
  expect(checkEvents(events)).toMatchObject({ ok: true, resets: 1, joinsWithoutPosition: 1 });
});

/** Steps; losses are rare. */
const LONG = 800;
/** Only in two phases is there a place for these. */
const OF_TWO_PHASES = new Set<AnomalyName>(['silent-loss', 'loss-without-cause', 'shown-as-saved', 'shown-again']);

describe.each([false, true])('names every planted fault, two phases: %s', (twoPhase) => {
  test.each((Object.keys(ANOMALIES) as AnomalyName[]).filter((name) => twoPhase || !OF_TWO_PHASES.has(name)))('%s', (name) => {
    let planted = 0;
    fc.assert(
      fc.property(seeds, (seed) => {
        const bad = PLANTS[name](generateHistory(seed, { twoPhase, steps: twoPhase ? LONG : 400 }), new Random(seed));
        if (bad === undefined) return;
        planted++;
        expect(checkEvents(bad, LOSSES).anomalies.map((anomaly) => anomaly.name)).toContain(name);
      }),
      { numRuns: 100 },
    );
    expect(planted).toBeGreaterThan(25);
  });
});

describe('files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-check-test-'));
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const ndjson = (events: readonly HistoryEvent[]) => `${events.map((event) => JSON.stringify(event)).join('\n')}\n`;
  const good = Array.from({ length: 6 }, (_, n) => generateHistory(n, { cid: `c${n}` }));

  test('are one history, however large and however split', async () => {
    const all = good.flat();
    const files = [0, 1, 2].map((n) => file(`${n}.ndjson`, ndjson(all.filter(({ d }) => (d === '' ? 0 : Number(d.slice(1)) % 3) === n))));
    const whole = await checkFiles(files);
    expect(whole).toMatchObject({ ok: true, conversations: 6, events: all.length, withoutHistory: 0 });
    expect(await checkFiles(files, { splitBytes: 20_000 })).toEqual(whole);
  });

  test('the log of the server stands for the final history', async () => {
    const clients = file('clients.ndjson', ndjson(good[1]!.filter(({ p }) => p !== 'history')));
    const log = good[1]!.filter(({ p }) => p === 'history');
    expect(await checkFiles([clients])).toMatchObject({ ok: true, withoutHistory: 1 });
    const fetching = (events: HistoryEvent[]) =>
      checkFiles([clients], {
        fetchHistory: async function* () {
          yield* events;
        },
      });
    expect(await fetching(log)).toMatchObject({ ok: true, withoutHistory: 0 });
    const lossy = await fetching(log.slice(0, -1));
    expect(lossy.ok).toBe(false);
    expect(printCheck(lossy)).toMatch(/ANOMALY {2}phantom: .*\n {11}c1: seq \d+/);
  });

  test('a torn last line is what a killed writer leaves; a broken line elsewhere is refused', async () => {
    const text = ndjson(good[0]!.filter(({ p }) => p !== 'history'));
    expect((await checkFiles([file('torn.ndjson', `${text}{"p":1,"u`)])).ok).toBe(true);
    await expect(checkFiles([file('broken.ndjson', `nonsense\n${text}`)])).rejects.toThrow(/broken.ndjson, line 1/);
  });
});
