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
  /** Why it cannot run on this machine. */
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

/** Everything that must hold, held, and whatever this machine has was carried out. */
export function passed(runs: readonly DrillRun[]): boolean {
  return runs.every(({ result, missing }) => missing !== undefined || result?.ok === true);
}

async function runOne(
  drill: Drill,
  options: DrillOptions,
  { program, log, signal }: RunHooks,
): Promise<Pick<DrillRun, 'result' | 'missing' | 'error'>> {
  const missing = await drill.missing();
  if (missing !== undefined) return { missing };
  const dir = mkdtempSync(join(tmpdir(), `gapless-drill-${drill.name}-`));
  const cleanup = new Cleanup(log);
  cleanup.add(() => (options.keep ? log(`histories and logs: ${dir}`) : rmSync(dir, { recursive: true, force: true })));
  try {
    const running = drill.run({ options, dir, program, log: (line) => log(`  ${line}`), onCleanup: (task) => cleanup.add(task) });
    return { result: await orAborted(running, signal) };
  } catch (error) {
    return { error: (error as Error).message };
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
