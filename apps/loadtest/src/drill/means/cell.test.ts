import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FULL, NETWORK, POWER_CUT } from './cell.test-util.ts';
import { missingForCell, runInCell } from './cell.ts';
import { inWords } from './tools.ts';

// Goal: disks fill, power is cut, packets are dropped, and nothing of it is left. Method: in cells, with real mounts and devices.

const missing = inWords(missingForCell('nsenter', 'nft', 'mkfs.ext4', 'python3'));

let dir: string;
beforeEach((ctx) => {
  if (missing !== undefined) ctx.skip(missing);
  dir = mkdtempSync(join(tmpdir(), 'gapless-cell-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** What the scene saw in its cell. */
async function scene(seed: number): Promise<readonly string[]> {
  const options = { durationSec: 1, clients: 1, ratePerSec: 1, seed, twoPhase: 'off', keep: false } as const;
  const lines: string[] = [];
  const context = { log: (line: string) => void lines.push(line), options, dir, program: [], onCleanup() {} };
  const { notes } = await runInCell(new URL('./cell.test-util.ts', import.meta.url).href, context);
  expect(lines).toEqual(['a network of its own: yes']);
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(dir);
  return notes;
}

test('a small disk is full until space is freed', async () => {
  expect(await scene(FULL)).toEqual(['written', 'ENOSPC', 'written']);
});

test('a power cut takes what was not synced', async () => {
  expect(await scene(POWER_CUT)).toEqual(['EIO', 'synced', 'late is gone']);
});

test('a fence drops what it is told to, until it is healed', async () => {
  expect(await scene(NETWORK)).toEqual(['second', 'dropped', 'first']);
});

test('a drill that fails in its cell says why', async () => {
  await expect(scene(99)).rejects.toThrow('is not a function');
});
