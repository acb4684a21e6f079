import type { Comparison, Imported } from '@gapless/adapters/store/postgres';

export type CopyReport = (Comparison | Imported) & { readonly from: string; readonly to: string; readonly ok: boolean };

const NEXT = `Not copied: jwt.secret, which belongs into the data folder of the new node (or GAPLESS_JWT_SECRET of all), or all access tokens end;
and how far the event bus was: it is told everything once more, from the oldest row on.`;

/** What a person reads: one row a table, then what differs, then the verdict. */
export function printCopy(report: CopyReport): string {
  const { from, to, differences, different } = report;
  const more = different - differences.length;
  return [
    `${from} → ${to}`,
    '',
    ...tableOf(report),
    '',
    ...differences,
    ...(more > 0 ? [`… and ${count(more)} more`] : []),
    verdictOf(report),
  ].join('\n');
}

function tableOf(report: CopyReport): string[] {
  const times = 'times' in report ? new Map(report.times.map(({ table, ms }) => [table, ms])) : undefined;
  const head = ['', 'source', 'target', ...(times === undefined ? [] : ['seconds', 'rows/s'])];
  const rows = report.tables.map(({ table, source, target }) => {
    const ms = times?.get(table);
    return [
      table,
      count(source),
      count(target),
      ...(ms === undefined ? [] : [seconds(ms), source === 0 ? '' : count((source * 1_000) / ms)]),
    ];
  });
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((cells) => cells[i]!.length)));
  return [head, ...rows].map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

function verdictOf(report: CopyReport): string {
  const copied = 'times' in report;
  if (!report.ok) return `DIFFERENT: ${count(report.different)} differences${copied ? '; nothing was kept' : ''}`;
  const compared = `compared in ${seconds(report.compareMs)} s: every row is equal`;
  if (!copied) return `EQUAL: ${compared}`;
  const ms = report.times.reduce((sum, time) => sum + time.ms, 0);
  return `COPIED in ${seconds(ms)} s, ${compared}\n${NEXT}`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
