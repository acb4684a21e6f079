import { expect, test } from 'vitest';
import { range, runMany } from './many.ts';
import { PLANTS, type PlantName } from './plants.ts';
import type { SeedReport } from './worker.ts';

// Goal: the simulation finds what it is there to find. Method: faults that are known to lose, repeat or reorder, put in one at a time.

const SEEDS_MAX = 200;

/** Any of these in what was found shows that it is this fault that was found. */
const SHOWS: Record<PlantName, RegExp> = {
  'ack-before-commit': /^(lost-write|conflicting-seq|conflicting-ack|twice-saved|phantom)/,
  'dedupe-outside-transaction': /^(twice-saved|conflicting-ack)/,
  'position-not-kept': /^(gap|unobserved)/,
  'duplicate-delivery': /^duplicate/,
  'reused-seq-after-redis-loss': /^(conflicting-seq|conflicting-ack|twice-saved|lost-write|silent-loss|phantom|crash)/,
  'read-cursor-back': /^(read forgotten|lost read|non-monotonic-cursor|disagreement)/,
};

test.each(Object.keys(PLANTS) as PlantName[])('%s is found', async (plant) => {
  let found: SeedReport | undefined;
  await runMany({
    seeds: range(1, SEEDS_MAX),
    plant,
    onReport(report) {
      if (!report.ok) found ??= report;
      return found !== undefined;
    },
  });
  expect(found?.problems[0]).toMatch(SHOWS[plant]);
});
