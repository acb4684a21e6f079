import { seededRandom } from '@gapless/kit';
import { expect, test } from 'vitest';
import { DueQueue } from './due-queue.ts';
import { CLEAN, type LinkProfile } from './profile.ts';
import { Shaper } from './shaper.ts';

// Goal: the emulated link does to packets what its profile says. Method: counts of many packets under a seed; no clock runs.

const PACKETS = 10_000;
/** Four standard deviations of the count of a share. */
const spread = (share: number) => 4 * Math.sqrt(PACKETS * share * (1 - share));

/** Sends packets at these moments; gives their numbers in the order of arrival. */
function passAll(profile: Partial<LinkProfile>, { bytes = 1_000, gapMs = 1 } = {}) {
  const shaper = new Shaper({ ...CLEAN, ...profile }, seededRandom(7));
  const arrivals = Array.from({ length: PACKETS }, (_, packet) => shaper.pass(bytes, packet * gapMs).map((at) => ({ packet, at }))).flat();
  const queue = new DueQueue<{ packet: number; at: number }>();
  for (const arrival of arrivals) queue.add(arrival.at, arrival);
  return { counts: shaper.counts, arrived: queue.take(Number.POSITIVE_INFINITY) };
}

test.each([0.1, 0.3])('a share of %d is lost', (loss) => {
  const { counts, arrived } = passAll({ loss });
  expect(Math.abs(counts.lost - PACKETS * loss)).toBeLessThan(spread(loss));
  expect(arrived).toHaveLength(PACKETS - counts.lost);
});

test('all is lost, and nothing is', () => {
  expect(passAll({ loss: 1 }).arrived).toHaveLength(0);
  expect(passAll({}).arrived.map(({ packet }) => packet)).toEqual(Array.from({ length: PACKETS }, (_, packet) => packet));
});

test('a share arrives twice', () => {
  const { counts, arrived } = passAll({ duplicate: 0.05 });
  expect(Math.abs(counts.duplicated - PACKETS * 0.05)).toBeLessThan(spread(0.05));
  expect(arrived).toHaveLength(PACKETS + counts.duplicated);
  expect(new Set(arrived.map(({ packet }) => packet)).size).toBe(PACKETS);
});

test('delay and jitter stay in their bounds and keep the order', () => {
  const { arrived } = passAll({ delayMs: 200, jitterMs: 50 }, { gapMs: 1_000 });
  const delays = arrived.map(({ packet, at }) => at - packet * 1_000);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(150);
  expect(Math.max(...delays)).toBeLessThanOrEqual(250);
  const dense = passAll({ delayMs: 200, jitterMs: 50 }).arrived.map(({ packet }) => packet);
  expect(dense).toEqual(dense.toSorted((a, b) => a - b));
});

test('a share overtakes', () => {
  const { counts, arrived } = passAll({ delayMs: 200, reorder: 0.1 });
  expect(Math.abs(counts.overtaking - PACKETS * 0.1)).toBeLessThan(spread(0.1));
  let newest = -1;
  // Each of the others was overtaken: those that wait for 200 ms see about 20 pass.
  const late = arrived.filter(({ packet }) => {
    const overtaken = packet < newest;
    newest = Math.max(newest, packet);
    return overtaken;
  });
  expect(late.length).toBeGreaterThan(PACKETS * 0.8);
});

test('a slow link gives its rate, and drops what does not fit', () => {
  // 8,000 bits of each packet at 64 kbit/s: one in 125 ms; they come twice as quickly.
  const { counts, arrived } = passAll({ bitsPerSec: 64_000 }, { gapMs: 62.5 });
  expect(counts.dropped + arrived.length).toBe(PACKETS);
  expect(Math.abs(arrived.length - PACKETS / 2)).toBeLessThan(50);
  expect(arrived.at(-1)!.at).toBeCloseTo(arrived.length * 125, 6);
});

test('each flow has the whole rate', () => {
  const shaper = new Shaper({ ...CLEAN, bitsPerSec: 64_000 }, seededRandom(7));
  const at = [1, 1, 2, 2].map((flow) => shaper.pass(1_000, 0, flow)[0]);
  expect(at).toEqual([125, 250, 125, 250]);
});

test('the same seed has the same fate', () => {
  const profile = { loss: 0.2, duplicate: 0.1, reorder: 0.1, delayMs: 100, jitterMs: 50 };
  expect(passAll(profile)).toEqual(passAll(profile));
});
