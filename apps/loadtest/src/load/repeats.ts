import type { LoadResult } from './result.ts';

/** One figure of a run, and which way is worse. */
interface Column {
  readonly head: string;
  readonly read: (result: LoadResult) => number | undefined;
  readonly worst: 'most' | 'least';
}

export const COLUMNS: readonly Column[] = [
  { head: 'saved/s', read: ({ rates }) => rates.saved, worst: 'least' },
  { head: 'received/s', read: ({ rates }) => rates.received, worst: 'least' },
  { head: 'delivered %', read: ({ deliveredPct }) => deliveredPct, worst: 'least' },
  { head: 'errors', read: ({ errors }) => Object.values(errors).reduce((sum, each) => sum + each, 0), worst: 'most' },
  { head: 'e2e p50', read: ({ latency }) => latency.e2e?.p50, worst: 'most' },
  { head: 'e2e p99', read: ({ latency }) => latency.e2e?.p99, worst: 'most' },
  { head: 'e2e p99.9', read: ({ latency }) => latency.e2e?.p999, worst: 'most' },
  { head: 'e2e max', read: ({ latency }) => latency.e2e?.max, worst: 'most' },
  { head: 'hop p50', read: ({ hop }) => hop?.p50, worst: 'most' },
  { head: 'saved p99', read: ({ latency }) => latency.saved?.p99, worst: 'most' },
  { head: 'accepted p99', read: ({ latency }) => latency.accepted?.p99, worst: 'most' },
  { head: 'resume p99', read: ({ latency }) => latency.resume?.p99, worst: 'most' },
  { head: 'ping p99', read: ({ latency }) => latency.ping?.p99, worst: 'most' },
  { head: 'connect p99', read: ({ latency }) => latency.connect?.p99, worst: 'most' },
  { head: 'server CPU %', read: ({ server }) => server?.cpuPct, worst: 'most' },
  { head: 'loop p99', read: ({ server }) => server?.loopP99Ms, worst: 'most' },
  { head: 'storm loop p99', read: ({ storm }) => storm?.loopP99Ms, worst: 'most' },
  { head: 'server MiB', read: ({ server }) => server?.rssMaxMiB, worst: 'most' },
];

export interface Repeated {
  readonly runs: readonly LoadResult[];
  /** By column, of each figure alone: they need not come from one run. */
  readonly median: Readonly<Record<string, number>>;
  readonly worst: Readonly<Record<string, number>>;
}

export function summariseRepeats(runs: readonly LoadResult[]): Repeated {
  const [median, worst]: Record<string, number>[] = [{}, {}];
  for (const { head, read, worst: which } of COLUMNS) {
    const values = runs.map(read).filter((value) => value !== undefined);
    if (values.length === 0) continue;
    median![head] = medianOf(values);
    worst![head] = which === 'most' ? Math.max(...values) : Math.min(...values);
  }
  return { runs, median: median!, worst: worst! };
}

/** Head, a row for each run, median, worst; columns of which nothing was measured are left out. */
export function tableOf({ runs, median, worst }: Repeated): string[][] {
  const columns = COLUMNS.filter(({ head }) => head in median);
  const text = (value: number | undefined) => (value === undefined ? '' : value.toFixed(Math.abs(value) < 10 && value % 1 !== 0 ? 2 : 0));
  const row = (name: string, read: (column: Column) => number | undefined) => [name, ...columns.map((column) => text(read(column)))];
  return [
    ['run', ...columns.map(({ head }) => head)],
    ...runs.map((result, at) => row(String(at + 1), ({ read }) => read(result))),
    row('median', ({ head }) => median[head]),
    row('worst', ({ head }) => worst[head]),
  ];
}

export function printTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => cell.padStart(widths[column]!)).join('  ')).join('\n');
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
