import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkEvents } from '../check/check.ts';
import { generateHistory, LOST_NODE } from '../testing/generate.ts';
import { PLANTS } from '../testing/mutate.ts';
import { Random } from '../testing/random.ts';
import type { Drill, DrillOptions } from './drill.ts';
import { DRILLS } from './drills/index.ts';
import { markdownDrills, printDrills } from './print.ts';
import { resultOf } from './result.ts';
import { passed, runDrills } from './run.ts';
import { Acks } from './workload/acks.ts';

// Goal: a table that can be believed. Method: what histories and clients say, and the row and the exit status that come of it.

const options: DrillOptions = { durationSec: 1, clients: 1, ratePerSec: 1, seed: 1, twoPhase: 'off', keep: false };
const crowd = { sent: 1, reconnects: 0, problems: () => [] as string[], acks: new Acks() };
const facts = { broken: [], notes: [] };
const good = () => resultOf({ check: checkEvents(generateHistory(1)), facts, crowd, options });
const hooks = { program: [], log() {} };

function drill(run: Drill['run'], missing?: string): Drill {
  return { name: 'a-drill', what: 'nothing is broken', missing: async () => missing, run };
}

test('a clean history is ok; each broken promise, whoever noticed it, is not', () => {
  expect(good()).toMatchObject({ ok: true, lost: 0, duplicated: 0, reordered: 0, gaps: 0, anomalies: [] });
  const bad = (name: 'lost-write' | 'twice-saved' | 'reorder' | 'gap') =>
    resultOf({ check: checkEvents(PLANTS[name](generateHistory(1), new Random(1))!), facts, crowd, options });
  expect(bad('lost-write')).toMatchObject({ ok: false, lost: 1 });
  expect(bad('twice-saved')).toMatchObject({ ok: false, duplicated: 1 });
  expect(bad('reorder')).toMatchObject({ ok: false, reordered: 1 });
  expect(bad('gap')).toMatchObject({ ok: false, gaps: 1 });
  const check = checkEvents(generateHistory(1));
  expect(resultOf({ check, facts: { ...facts, broken: ['too late'] }, crowd, options })).toMatchObject({
    ok: false,
    anomalies: ['too late'],
  });
  const resets = { ...check, resets: 1 };
  expect(resultOf({ check: resets, facts, crowd, options }).ok).toBe(false);
  const unread = { ...check, withoutHistory: 1 };
  expect(resultOf({ check: unread, facts, crowd, options }).ok).toBe(false);
  const shown = { ...crowd, problems: () => ['shown twice'] };
  expect(resultOf({ check, facts, crowd: shown, options })).toMatchObject({ ok: false, anomalies: ['shown twice'] });
});

test('a run that shows nothing does not pass', () => {
  expect(resultOf({ check: checkEvents([]), facts, crowd, options }).ok).toBe(false);
  const twoPhase = { ...options, twoPhase: 'on' as const };
  expect(resultOf({ check: checkEvents(generateHistory(1)), facts, crowd, options: twoPhase }).ok).toBe(false);
  expect(resultOf({ check: checkEvents(generateHistory(1, { twoPhase: true })), facts, crowd, options: twoPhase }).ok).toBe(true);
});

test('accepted messages are lost only where the drill says whose', () => {
  const history = generateHistory(1, { twoPhase: true });
  const row = (acceptedLossOf: string[]) =>
    resultOf({ check: checkEvents(history, { acceptedLossOf }), facts, crowd, options: { ...options, twoPhase: 'on' } });
  expect(row([LOST_NODE])).toMatchObject({ ok: true, lost: 0 });
  expect(row([LOST_NODE]).acceptedLost).toBeGreaterThan(0);
  expect(row([])).toMatchObject({ ok: false, lost: 0 });
  expect(row([]).anomalies.join()).toContain('loss-without-cause');
});

test('what cannot run here is told, and does not fail; what could not be carried out does', async () => {
  const here = await runDrills([drill(async () => good())], options, hooks);
  const missing = await runDrills([drill(async () => good(), 'there is no redis-server')], options, hooks);
  const failed = await runDrills([drill(() => Promise.reject(new Error('no port')))], options, hooks);
  expect([passed(here), passed(missing), passed(failed)]).toEqual([true, true, false]);
  expect([passed(here, ['a-drill']), passed(missing, ['a-drill']), passed([...missing, ...here], ['a-drill'])]).toEqual([
    true,
    false,
    true,
  ]);
  expect(printDrills(missing)).toContain('a-drill could not run here: there is no redis-server');
  expect(printDrills(failed)).toContain('a-drill could not be carried out: no port');
  expect(markdownDrills(here)).toMatch(/\| a-drill \| off \| \d+ \|/);
});

test('one that cannot even say whether it can run does not take the results of the others', async () => {
  const broken: Drill = { ...drill(async () => good()), missing: () => Promise.reject(new Error('no network')) };
  const runs = await runDrills([drill(async () => good()), broken], options, hooks);
  expect(runs).toMatchObject([{ result: { ok: true } }, { error: 'no network' }]);
});

test('drills of what only Redis has take two-phase acks', async () => {
  for (const name of ['redis-flush', 'redis-old-snapshot', 'redis-and-node'])
    expect(await DRILLS.find((each) => each.name === name)!.missing({ twoPhase: 'off' })).toBe('it takes --two-phase on');
});

test('a drill is cleaned up last first, however it ends, and its folder is gone', async () => {
  const ended: string[] = [];
  let folder = '';
  const failing = drill(async ({ onCleanup, dir }) => {
    folder = dir;
    onCleanup(() => ended.push('first'));
    onCleanup(() => Promise.reject(new Error('this one fails')));
    onCleanup(() => ended.push('last'));
    throw new Error('no');
  });
  await runDrills([failing], options, hooks);
  expect(ended).toEqual(['last', 'first']);
  expect(existsSync(folder)).toBe(false);
});

test('one that is broken off is cleaned up, and no other begins', async () => {
  const abort = new AbortController();
  const ended: string[] = [];
  const endless = drill(({ onCleanup }) => {
    onCleanup(() => ended.push('cleaned up'));
    abort.abort();
    return new Promise(() => {});
  });
  const runs = await runDrills([endless, drill(async () => good())], options, { ...hooks, signal: abort.signal });
  expect(runs).toMatchObject([{ error: 'it was broken off' }]);
  expect(ended).toEqual(['cleaned up']);
});

test('times: the longest time without an ack, and how long it took after healing', async () => {
  const acks = new Acks();
  acks.begin();
  for (const mid of ['a', 'b']) acks.invoked(mid);
  acks.acked('a', 'saved');
  acks.healed();
  expect(acks.times()).toMatchObject({ recoverMs: Number.POSITIVE_INFINITY, drainMs: Number.POSITIVE_INFINITY });
  acks.acked('b', 'accepted');
  expect(acks.times().recoverMs).toBeLessThan(Number.POSITIVE_INFINITY);
  expect(acks.times().drainMs).toBe(Number.POSITIVE_INFINITY);
  acks.acked('b', 'saved');
  expect(acks.times().drainMs).toBeGreaterThanOrEqual(acks.times().recoverMs);
  expect(acks.pending).toBe(0);
});

test('acks are counted by stage, each message once, and those that were there before not', () => {
  const acks = new Acks();
  for (const mid of ['a', 'b', 'c']) acks.invoked(mid);
  acks.acked('a', 'accepted');
  acks.acked('b', 'accepted');
  acks.acked('a', 'saved');
  acks.acked('c', 'saved', true);
  expect(acks.counts).toEqual({ accepted: 2, saved: 1 });
  expect(acks.unsaved).toBe(1);
});

test('each drill has a name of its own', () => {
  expect(new Set(DRILLS.map(({ name }) => name)).size).toBe(DRILLS.length);
});
