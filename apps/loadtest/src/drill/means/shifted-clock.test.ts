import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { measuredShiftMs, missingClock, openShiftedClock } from './shifted-clock.ts';

test('a process sees the shifted clock', (ctx) => {
  const [missing] = missingClock();
  if (missing !== undefined) return ctx.skip(`${missing} is not there`);
  const folder = mkdtempSync(join(tmpdir(), 'gapless-clock-'));
  ctx.onTestFinished(() => rmSync(folder, { recursive: true }));
  const clock = openShiftedClock(join(folder, 'shift'));
  for (const seconds of [0, -3_600, 3_600]) {
    clock.shift(seconds);
    expect(Math.abs(measuredShiftMs(clock) - seconds * 1_000)).toBeLessThan(60_000);
  }
});
