import { expect, test } from 'vitest';
import { range, runMany } from './many.ts';
import type { SeedReport } from './worker.ts';

// Goal: whatever fails, in whatever order, no promise is broken. Method: whole clusters in simulated worlds, one for each seed. A seed that
// fails here fails for ever: `npm run sim -- --seed N` shows what happened.

const SEEDS = 300;
/** On a busy machine these would take too long: then fewer are run, but never fewer than that. */
const ENOUGH_MS = 60_000;
const SEEDS_MIN = 60;

const HAPPENS = [
  'nodes killed',
  'commits of unknown outcome',
  'announcements lost',
  'holes repaired',
  'resumes',
  'rows caught up',
  'recovered',
  'slow readers',
  'accepted and saved',
  'conversations settled',
];
/** Not among the fewest seeds. */
const SELDOM = ['accept log lost with a node that accepted', 'accepted and lost', 'numbers lost', 'saves found by a look'];

test('no seed breaks a promise', async ({ annotate }) => {
  const startedAt = performance.now();
  const reports: SeedReport[] = [];
  await runMany({
    seeds: range(1, SEEDS),
    onReport(report) {
      reports.push(report);
      return reports.length >= SEEDS_MIN && performance.now() - startedAt > ENOUGH_MS;
    },
  });
  const failed = reports.filter(({ ok }) => !ok).map(({ seed, problems }) => `seed ${seed}: ${problems[0]}`);
  await annotate(`${reports.length} seeds`);
  expect(failed).toEqual([]);
  // The worlds were worth it: each of these happened.
  const counts = new Map<string, number>();
  for (const report of reports) for (const [what, count] of report.counts) counts.set(what, (counts.get(what) ?? 0) + count);
  const expected = [...HAPPENS, ...(reports.length < SEEDS ? [] : SELDOM)];
  expect(expected.filter((what) => (counts.get(what) ?? 0) === 0)).toEqual([]);
});
