import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DrillOptions } from '../drill.ts';
import { runDrills } from '../run.ts';
import { diskFull } from './disk-full.ts';

// Goal: a drill in a cell is a drill. Method: the quickest of them, with few clients, on a real server.

const options: DrillOptions = { durationSec: 2, clients: 6, ratePerSec: 50, seed: 1, twoPhase: 'off', keep: false };
const program = [process.execPath, join(import.meta.dirname, '../../../../server/src/main.ts')];

test('a full disk: sends are refused, and nothing is lost', async (ctx) => {
  const [run] = await runDrills([diskFull], options, { program, log() {} });
  if (run?.missing !== undefined) return ctx.skip(run.missing);
  expect(run?.error).toBeUndefined();
  expect(run?.result).toMatchObject({ ok: true, lost: 0, anomalies: [] });
  expect(run?.result?.notes.join('\n')).toContain('sends were answered store_unavailable');
});
