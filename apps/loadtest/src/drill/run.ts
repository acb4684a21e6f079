import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from './cleanup.ts';
import type { Drill, DrillOptions, DrillResult } from './drill.ts';

/** What became of one drill. */
export interface DrillRun {
  readonly name: string;
  readonly what: string;
  readonly twoPhase: 'off' | 'on';
  readonly seconds: number;
  /** It was carried out. */
  readonly result?: DrillResult;
  /** Why it cannot run on this machine, or so. */
  readonly missing?: string;
  /** Why it could not be carried out. */
  readonly error?: string;
}

export interface RunHooks {
  readonly program: readonly string[];
  log(line: string): void;
  /** Ends what runs when it is aborted; `runDrills` resolves soon after. */
  readonly signal?: AbortSignal;
}

/** One after the other, each on servers of its own. */
export async function runDrills(drills: readonly Drill[], options: DrillOptions, hooks: RunHooks): Promise<DrillRun[]> {
  const runs: DrillRun[] = [];
  for (const drill of drills) {
    if (hooks.signal?.aborted) break;
    hooks.log(`${drill.name}, two-phase ${options.twoPhase}: ${drill.what}`);
    const startedAt = performance.now();
    const outcome = await runOne(drill, options, hooks);
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    runs.push({ name: drill.name, what: drill.what, twoPhase: options.twoPhase, seconds, ...outcome });
  }
  return runs;
}

/** Everything that must hold, held; whatever this machine has was carried out, and in any case the drills that are `wanted`, by name. */
export function passed(runs: readonly DrillRun[], wanted: readonly string[] = []): boolean {
  const held = runs.every(({ result, missing }) => missing !== undefined || result?.ok === true);
  return held && wanted.every((drill) => runs.some(({ name, missing }) => name === drill && missing === undefined));
}

async function runOne(drill: Drill, options: DrillOptions, hooks: RunHooks): Promise<Pick<DrillRun, 'result' | 'missing' | 'error'>> {
  try {
    const missing = await drill.missing(options);
    return missing === undefined ? { result: await carryOut(drill, options, hooks) } : { missing };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

async function carryOut(drill: Drill, options: DrillOptions, { program, log, signal }: RunHooks): Promise<DrillResult> {
  const dir = mkdtempSync(join(tmpdir(), `gapless-drill-${drill.name}-`));
  const cleanup = new Cleanup(log);
  cleanup.add(() => (options.keep ? log(`histories and logs: ${dir}`) : rmSync(dir, { recursive: true, force: true })));
  try {
    const running = drill.run({ options, dir, program, log: (line) => log(`  ${line}`), onCleanup: (task) => cleanup.add(task) });
    return await orAborted(running, signal);
  } finally {
    await cleanup.run();
  }
}

/** A drill that was broken off goes on by itself, and finds nothing there any more. */
function orAborted<T>(running: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return running;
  running.catch(() => {});
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Error('it was broken off'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    running.then(resolve, reject);
  });
}
