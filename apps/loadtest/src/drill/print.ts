import type { DrillResult } from './drill.ts';
import type { DrillRun } from './run.ts';

/** Column by column: what a row shows of a result. */
const COLUMNS: readonly (readonly [name: string, of: (result: DrillResult) => string])[] = [
  ['acked', ({ acked }) => String(acked)],
  ['accepted', ({ accepted }) => String(accepted)],
  ['saved', ({ saved }) => String(saved)],
  ['lost', ({ lost }) => String(lost)],
  ['accepted lost (told)', ({ acceptedLost, acceptedLostReported }) => `${acceptedLost} (${acceptedLostReported})`],
  ['duplicated', ({ duplicated }) => String(duplicated)],
  ['reordered', ({ reordered }) => String(reordered)],
  ['gaps', ({ gaps }) => String(gaps)],
  ['recover', ({ recoverMs }) => seconds(recoverMs)],
  ['drain', ({ drainMs }) => seconds(drainMs)],
  ['longest stall', ({ longestStallMs }) => seconds(longestStallMs)],
];

/** The table for a terminal, and under it what went wrong and what could not run. */
export function printDrills(runs: readonly DrillRun[]): string {
  const rows = [['drill', 'two-phase', ...COLUMNS.map(([name]) => name), 'result'], ...runs.map(rowOf)];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))));
  return [...lines.map((cells) => cells.join('  ')), ...remarks(runs)].join('\n');
}

/** The same for a page of documentation. */
export function markdownDrills(runs: readonly DrillRun[]): string {
  const head = ['drill', 'two-phase', ...COLUMNS.map(([name]) => name), 'result'];
  const rows = [head, head.map((_, column) => (column < 2 ? '---' : '---:')), ...runs.map(rowOf)];
  return `${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n\n${remarks(runs)
    .map((line) => `- ${line}`)
    .join('\n')}\n`;
}

function rowOf(run: DrillRun): string[] {
  const { result } = run;
  return [run.name, run.twoPhase, ...COLUMNS.map(([, of]) => (result === undefined ? '' : of(result))), verdictOf(run)];
}

function verdictOf({ result, missing }: DrillRun): string {
  if (missing !== undefined) return 'not here';
  if (result === undefined) return 'ERROR';
  return result.ok ? 'ok' : 'BROKEN';
}

function remarks(runs: readonly DrillRun[]): string[] {
  return runs.flatMap(({ name, twoPhase, result, missing, error }) => {
    const where = twoPhase === 'on' ? `${name}, two-phase` : name;
    if (missing !== undefined) return [`${where} could not run here: ${missing}`];
    if (result === undefined) return [`${where} could not be carried out: ${error}`];
    return [...result.anomalies.map((line) => `${where} BROKEN: ${line}`), ...result.notes.map((line) => `${where}: ${line}`)];
  });
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1_000).toFixed(1)} s` : 'never';
}
