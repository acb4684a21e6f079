import { execSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it must reach, and which way. */
  readonly budget?: { readonly atLeast: number } | { readonly atMost: number };
  readonly note?: string;
}

/** Percentiles in milliseconds of a histogram of microseconds. */
export function percentiles(histogram: RecordableHistogram): { p50: number; p99: number; max: number } {
  return { p50: histogram.percentile(50) / 1_000, p99: histogram.percentile(99) / 1_000, max: histogram.max / 1_000 };
}

export function microseconds(): RecordableHistogram {
  return createHistogram();
}

const shell = (command: string) => execSync(command, { encoding: 'utf8' }).trim();

/**
 * Prints the figures beside their budgets, keeps them in bench/results, and fails the process when one is missed. `details` are kept as
 * they are.
 */
export function report(name: string, figures: readonly Figure[], details?: object): void {
  const rows = figures.map((figure) => ({ ...figure, met: isMet(figure) }));
  const results = join(import.meta.dirname, '../results');
  const record = {
    name,
    at: new Date().toISOString(),
    command: `npm run bench -- ${basename(dirname(process.argv[1]!))} ${process.argv.slice(2).join(' ')}`.trim(),
    commit: `${shell('git rev-parse --short HEAD')}${shell('git status --porcelain -- packages apps') === '' ? '' : ' with uncommitted changes'}`,
    machine: {
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: shell('uname -sr'),
      node: process.version,
    },
    figures: rows,
    ...(details === undefined ? {} : { details }),
  };
  const file = join(results, `${name}.json`);
  writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
  if (rows.length > 0)
    console.table(
      rows.map(({ name: figure, value, unit, budget, met }) => ({
        figure,
        value: Number(value.toPrecision(4)),
        unit,
        budget: budget === undefined ? '' : 'atLeast' in budget ? `≥ ${budget.atLeast}` : `≤ ${budget.atMost}`,
        met: met === undefined ? '' : met ? 'yes' : 'NO',
      })),
    );
  console.log(`Kept in ${relative(process.cwd(), file)}`);
  if (rows.some(({ met }) => met === false)) process.exitCode = 1;
}

function isMet({ value, budget }: Figure): boolean | undefined {
  if (budget === undefined) return undefined;
  return 'atLeast' in budget ? value >= budget.atLeast : value <= budget.atMost;
}
