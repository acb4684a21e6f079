import type { Mode, Run } from './two-phase-runs.ts';

interface Column {
  readonly head: string;
  readonly cell: (run: Run) => readonly (number | undefined)[];
  readonly digits?: number;
}

const COLUMNS: readonly Column[] = [
  { head: 'attempted/s', cell: ({ attemptedPerSec }) => [attemptedPerSec] },
  { head: 'accepted', cell: ({ accepted }) => [accepted?.p50, accepted?.p95, accepted?.p99], digits: 1 },
  { head: 'saved', cell: ({ saved: { p50, p95, p99 } }) => [p50, p95, p99], digits: 1 },
  { head: 'e2e', cell: ({ e2e: { p50, p95, p99 } }) => [p50, p95, p99], digits: 1 },
  { head: 'accepted %', cell: ({ acceptedPct }) => [acceptedPct], digits: 2 },
  { head: 'saved %', cell: ({ savedPct }) => [savedPct], digits: 2 },
  { head: 'delivered %', cell: ({ deliveredPct }) => [deliveredPct], digits: 2 },
  { head: 'errors', cell: ({ errors }) => [errors] },
  { head: 'dup', cell: ({ duplicates }) => [duplicates] },
  { head: 'reorder', cell: ({ reorders }) => [reorders] },
  { head: 'anomalies', cell: ({ anomalies }) => [anomalies] },
  { head: 'backlog max', cell: ({ backlogMax }) => [backlogMax] },
  { head: 'CPU nodes / Postgres / Redis', cell: ({ cpu }) => [cpu.nodes, cpu.postgres, cpu.redis], digits: 2 },
];

const LATE = '(late): the generator of that run did not get the CPU in time';

/** Markdown: the median of each figure for each mode, and below it every single run. */
export function tableOf(runs: readonly Run[]): string {
  const modes = [...new Set(runs.map(({ mode }) => mode))];
  const rows = modes.flatMap((mode) => {
    const own = runs.filter((run) => run.mode === mode);
    const each = own.map((run, at) => {
      const name = own.length === 1 ? `**${mode}**` : `${mode}, run ${at + 1}`;
      return [`${name}${run.generatorOk ? '' : ' (late)'}`, ...COLUMNS.map((column) => cellsOf(column, [run]))];
    });
    if (own.length === 1) return each;
    return [[`**${mode}**, median of ${own.length}`, ...COLUMNS.map((column) => cellsOf(column, own))], ...each];
  });
  const late = runs.some(({ generatorOk }) => !generatorOk);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const head = ['', ...COLUMNS.map(({ head: name }) => name)];
  const table = [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
  return late ? `${table}\n\n${LATE}: its latencies are upper bounds.` : table;
}

function cellsOf({ cell, digits = 0 }: Column, runs: readonly Run[]): string {
  const cells = runs.map(cell);
  return cells[0]!
    .map((_, at) => median(cells.flatMap((values) => (typeof values[at] === 'number' ? [values[at]] : []))))
    .map((value) => (value === undefined ? '–' : value.toFixed(digits)))
    .join(' / ');
}

export function medianOf(runs: readonly Run[], mode: Mode, read: (run: Run) => number | undefined): number | undefined {
  return median(runs.filter((run) => run.mode === mode).flatMap((run) => read(run) ?? []));
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 || sorted.length === 0 ? sorted[middle] : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
