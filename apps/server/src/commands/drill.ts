import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { DRILLS, type Drill, type DrillRun, markdownDrills, passed, printDrills, runDrills } from '@gapless/loadtest/drill';
import { ConfigError } from '../config.ts';
import { VERSION } from '../version.ts';

export interface DrillFlags {
  duration: number;
  clients: number;
  rate: number;
  seed: number;
  twoPhase: 'off' | 'on' | 'both';
  keep?: boolean;
  json?: string;
  markdown?: string;
}

/** As a shell says of a program that Ctrl-C ended. */
const INTERRUPTED = 130;
/** How nodes are started: as this program was. */
const PROGRAM = [process.execPath, join(import.meta.dirname, '../main.ts')];

/** Lists the drills, or runs those named. Resolves to whether every promise held; one that cannot run here counts when it is named, not of `all`. */
export async function drill(names: readonly string[], flags: DrillFlags): Promise<boolean> {
  if (names.includes('list')) {
    console.log(DRILLS.map(({ name, what }) => `${name.padEnd(20)}${what}`).join('\n'));
    return true;
  }
  const drills = chosen(names);
  const { json, markdown, ...options } = flags;
  const startedAt = new Date().toISOString();
  const interruption = new AbortController();
  const runs = await untilInterrupted(
    () => runAll(drills, flags, interruption.signal),
    () => interruption.abort(),
  );
  console.log(printDrills(runs));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ startedAt, ...machine(), options, runs }, null, 2)}\n`);
  if (markdown !== undefined) writeFileSync(markdown, markdownDrills(runs));
  // What was broken off may still wait for something that never comes.
  if (interruption.signal.aborted) process.exit(INTERRUPTED);
  return passed(runs, names.includes('all') ? [] : names);
}

async function runAll(drills: readonly Drill[], flags: DrillFlags, signal: AbortSignal): Promise<DrillRun[]> {
  const { duration, clients, rate, seed, keep = false } = flags;
  const options = { durationSec: duration, clients, ratePerSec: rate, seed, keep };
  const runs: DrillRun[] = [];
  for (const twoPhase of flags.twoPhase === 'both' ? (['off', 'on'] as const) : [flags.twoPhase])
    runs.push(...(await runDrills(drills, { ...options, twoPhase }, { program: PROGRAM, log: (line) => console.error(line), signal })));
  return runs;
}

function chosen(names: readonly string[]): readonly Drill[] {
  if (names.includes('all')) return DRILLS;
  return names.map((name) => {
    const found = DRILLS.find((each) => each.name === name);
    if (found === undefined) throw new ConfigError(`there is no drill "${name}"; gapless drill list names them`);
    return found;
  });
}

/** Ctrl-C ends the servers of the drill that runs, and then the program, with what there is so far. */
async function untilInterrupted<T>(run: () => Promise<T>, interrupt: () => void): Promise<T> {
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    return await run();
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function machine() {
  return { gapless: VERSION, node: process.version, platform: `${process.platform} ${process.arch}`, cpus: cpus().length };
}
