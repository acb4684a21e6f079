import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Drill } from '../drill.ts';
import { judgeMids } from '../means/mid-probe.ts';
import { missingClock, openShiftedClock, type ShiftedClock } from '../means/shifted-clock.ts';
import { judgeTokens, openProbe } from '../means/token-probe.ts';
import { inWords } from '../means/tools.ts';
import { missing as missingServices, openPostgres, openRedis } from '../services.ts';
import { perform, type Stage } from '../stage.ts';

const HOUR_SEC = 3_600;
/** How far the clock of each node is off, one line after another. */
const JUMPS_SEC = [
  [-HOUR_SEC, HOUR_SEC, 0],
  [HOUR_SEC, -HOUR_SEC, 0],
  [0, 0, 0],
] as const;
const JUMP_MS = 8_000;
/** What a node's clock may be off from what it was told: responses take their time. */
const OFF_MAX_SEC = 30;
/** Tokens of clients are good by every clock. */
const TOKENS = { fromSec: -2 * HOUR_SEC, untilSec: 12 * HOUR_SEC };

export const clockJump: Drill = {
  name: 'clock-jump',
  what: 'The clocks of two of three nodes jump an hour back and forth: order and delivery do not depend on them, tokens do.',
  missing: async () => inWords(missingClock()) ?? (await missingServices('postgres', 'redis')),
  async run(context) {
    const clocks = JUMPS_SEC[0].map((_, n) => openShiftedClock(join(context.dir, `clock-${n}`)));
    const store = await (await openPostgres(context)).createDatabase();
    const broker = (await openRedis(context)).url;
    return perform(context, {
      cluster: { nodes: clocks.length, store, broker, tokens: TOKENS, node: (n) => ({ env: clocks[n]!.env }) },
      async fault(stage) {
        for (const jumps of JUMPS_SEC) await jump(stage, clocks, jumps);
        stage.healed();
      },
    });
  },
};

async function jump(stage: Stage, clocks: readonly ShiftedClock[], jumps: readonly number[]): Promise<void> {
  const idle = clocks.map((_, n) => openProbe(stage, n, stage.cluster.token('drill-idle')));
  for (const [n, probe] of idle.entries()) {
    const ready = await probe.wait((told) => told.includes('ready'), JUMP_MS);
    if (!ready) stage.broken(`an idle connection to node ${n} did not get ready within ${JUMP_MS / 1_000} s`);
  }
  for (const [n, seconds] of jumps.entries()) clocks[n]!.shift(seconds);
  stage.log(`the clocks are off by ${jumps.join(', ')} s`);
  await expectClocks(stage, jumps);
  await judgeTokens(stage, jumps);
  await judgeMids(stage);
  await sleep(JUMP_MS);
  for (const [n, probe] of idle.entries()) {
    const told = probe.told.slice(1).join(', ');
    if (told !== '') stage.broken(`an idle connection to node ${n}, whose clock went to ${jumps[n]} s, was told ${told}`);
    probe.close();
  }
}

/** A clock that could not be moved would show nothing. */
async function expectClocks({ cluster, broken }: Stage, jumps: readonly number[]): Promise<void> {
  for (const [n, seconds] of jumps.entries()) {
    const response = await fetch(`${cluster.urls[n]}/readyz`);
    await response.body?.cancel();
    const off = (Date.parse(response.headers.get('date') ?? '') - Date.now()) / 1_000;
    // Not a number where there is no date.
    if (!(Math.abs(off - seconds) < OFF_MAX_SEC))
      broken(`the clock of node ${n} is off by ${off} s and not by ${seconds} s: the drill shows nothing`);
  }
}
