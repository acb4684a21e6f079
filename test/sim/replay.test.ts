import { expect, test } from 'vitest';
import { runMany } from './many.ts';
import { PLANTS } from './plants.ts';
import { runSeed } from './run-seed.ts';

// Goal: a seed says all there is to say of a run. Method: the digest of everything that happened, after other runs, traced, and in a thread
// of its own.

const SEEDS = [1, 2, 3, 17];

test('the same seed is the same run', async () => {
  const first = [];
  for (const seed of SEEDS) first.push((await runSeed(seed)).hash);
  const again = [];
  for (const seed of SEEDS.toReversed()) again.unshift((await runSeed(seed, { traced: true })).hash);
  expect(again).toEqual(first);
  const elsewhere = new Map<number, string>();
  await runMany({ seeds: SEEDS, jobs: 1, onReport: ({ seed, hash }) => elsewhere.set(seed, hash) && false });
  expect(SEEDS.map((seed) => elsewhere.get(seed))).toEqual(first);
});

test('another seed is another run, and so is a planted fault', async () => {
  const hashes = [];
  for (const seed of SEEDS) hashes.push((await runSeed(seed)).hash);
  hashes.push((await runSeed(2, { plant: PLANTS['position-not-kept'] })).hash);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test('a failed run says what happened last', async () => {
  const { ok, trace } = await runSeed(1, { plant: PLANTS['ack-before-commit'], traced: true });
  expect(ok).toBe(false);
  expect(trace?.some((line) => line.includes('commits send'))).toBe(true);
});
