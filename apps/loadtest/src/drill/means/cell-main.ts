import { Cleanup } from '../cleanup.ts';
import type { DrillContext, DrillOptions, DrillResult } from '../drill.ts';
import { run } from './tools.ts';

// The first process of a cell. It is told once what to do, and ends with whoever told it.

export interface CellOrder {
  /** URL of a module that exports `inside`. */
  readonly module: string;
  readonly options: DrillOptions;
  readonly dir: string;
  readonly program: readonly string[];
}

export type CellAnswer = { readonly line: string } | { readonly result: DrillResult } | { readonly error: string };

const say = (answer: CellAnswer) => new Promise<void>((resolve) => process.send!(answer, () => resolve()));

process.on('disconnect', () => process.exit());
process.once('message', async ({ module, options, dir, program }: CellOrder) => {
  const log = (line: string) => void say({ line });
  const cleanup = new Cleanup(log);
  await say(await carryOut(module, { log, options, dir, program, onCleanup: (task) => cleanup.add(task) }, cleanup));
});

async function carryOut(module: string, context: DrillContext, cleanup: Cleanup): Promise<CellAnswer> {
  try {
    run('ip', 'link', 'set', 'lo', 'up');
    const { inside } = (await import(module)) as { inside(context: DrillContext): Promise<DrillResult> };
    try {
      return { result: await inside(context) };
    } finally {
      await cleanup.run();
    }
  } catch (error) {
    return { error: (error as Error).stack ?? String(error) };
  }
}
