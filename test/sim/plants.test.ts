import { expect, test } from 'vitest';
import { range, runMany } from './many.ts';
import { controlOf, NO_PLANT, PLANTS, type PlantName } from './plants.ts';
import type { SeedReport } from './worker.ts';

// Goal: the simulation finds what it is there to find, and for that reason. Method: faults that are known to lose, repeat or reorder, put in
// one at a time; and the worlds that were made for them, without them.

const SEEDS_MAX = 200;
const CONTROL_SEEDS = 60;

const names = Object.keys(PLANTS) as PlantName[];

test.each(names)('%s is found', async (plant) => {
  const failed: SeedReport[] = [];
  const isFound = ({ problems }: SeedReport) => problems.some((problem) => PLANTS[plant].shows.test(problem));
  await runMany({
    seeds: range(1, SEEDS_MAX),
    plant,
    onReport(report) {
      if (!report.ok) failed.push(report);
      return isFound(report);
    },
  });
  // What else it makes of a world is no proof of it.
  expect(failed.filter(isFound)).not.toEqual([]);
});

test.each(names.filter((name) => controlOf(name) !== NO_PLANT))('the worlds of %s are sound without it', async (plant) => {
  const failed: string[] = [];
  await runMany({
    seeds: range(1, CONTROL_SEEDS),
    plant,
    control: true,
    onReport({ seed, ok, problems }) {
      if (!ok) failed.push(`seed ${seed}: ${problems[0]}`);
      return false;
    },
  });
  expect(failed).toEqual([]);
});
