import type { System } from './systems/system.ts';
import type { Measured, Workload } from './workloads.ts';
import type { Step } from './world.ts';

/** From this part of the ceiling on it may be the generator, not the system, that was measured. */
const NEAR_CEILING = 0.8;

export interface Row {
  readonly system: System;
  /** The run whose highest rate is the median (of an even number the lower of the two). */
  readonly measured: Measured;
  /** All runs, in their order. */
  readonly runs: readonly Measured[];
}

export function rowOf(system: System, runs: readonly Measured[]): Row {
  const sorted = runs.toSorted((a, b) => bestPerSec(a) - bestPerSec(b));
  return { system, runs, measured: sorted[(sorted.length - 1) >> 1]! };
}

/** What one workload gave: a row for each system, and why one is missing. */
export interface Outcome {
  readonly workload: Workload;
  readonly rows: readonly Row[];
  readonly skipped: readonly { readonly system: string; readonly reason: string }[];
}

/** 0: not even the lowest rate held. */
export function deliveriesPerSec({ workload }: Outcome, { measured }: Pick<Row, 'measured'>): number {
  return bestPerSec(measured) * workload.layout.roomSize;
}

function bestPerSec({ found }: Measured): number {
  return found.best?.ratePerSec ?? 0;
}

/** The system came so near to what the sink does that its own limit may be higher. */
export function isNearCeiling(outcome: Outcome, row: Row): boolean {
  const sink = ceilingOf(outcome, row);
  return sink !== undefined && deliveriesPerSec(outcome, row) >= NEAR_CEILING * deliveriesPerSec(outcome, sink);
}

/** Absent: it is a sink, or none was measured. */
export function ceilingOf({ rows }: Outcome, { system: { ceiling } }: Row): Row | undefined {
  if (ceiling === undefined) return undefined;
  return rows.find(({ system }) => system.name === ceiling) ?? rows.find(({ system }) => system.name === 'sink');
}

export function printOutcome(outcome: Outcome): void {
  const { workload, rows, skipped } = outcome;
  console.log(`\n${workload.title}`);
  console.table(Object.fromEntries(rows.map((row) => [row.system.name, cells(outcome, row)])));
  for (const { system, measured } of rows) {
    console.log(`  ${system.name} (${measured.version}): stored: ${system.durability}. ${system.remarks}`);
  }
  const repeats = Math.max(0, ...rows.map(({ runs }) => runs.length));
  console.log(repeats > 1 ? `  Median of ${repeats} runs of each, in turns.` : '  One run of each: no median (--repeats N).');
  for (const { system, reason } of skipped) console.log(`  ${system}: skipped, ${reason}`);
}

function cells(outcome: Outcome, row: Row): Record<string, string> {
  const { fixed, found } = row.measured;
  const { best } = found;
  const mark = isNearCeiling(outcome, row) ? '≥ ' : '';
  const at = `at ${whole(outcome.workload.fixedPerSec)}/s:`;
  const errors = errorsOf(fixed);
  return {
    'max deliveries/s': mark + whole(deliveriesPerSec(outcome, row)),
    ...(row.runs.length === 1 ? {} : { 'all runs': row.runs.map((measured) => whole(deliveriesPerSec(outcome, { measured }))).join(' ') }),
    'p50 / p99 ms': best === undefined ? '' : `${ms(best.e2e?.p50)} / ${ms(best.e2e?.p99)}`,
    'CPU µs each': best === undefined ? '' : best.cpuUsPerDelivery.toFixed(2),
    [`${at} delivered`]: `${fixed.deliveredPct.toFixed(2)} %${errors === 0 ? '' : `, ${errors} errors`}`,
    [`${at} p50 / p99 / max ms`]: `${ms(fixed.e2e?.p50)} / ${ms(fixed.e2e?.p99)} / ${ms(fixed.e2e?.max)}`,
    [`${at} ack p50 / p99 ms`]: fixed.ack === undefined ? 'none' : `${ms(fixed.ack.p50)} / ${ms(fixed.ack.p99)}`,
    [`${at} CPU µs each`]: fixed.cpuUsPerDelivery.toFixed(2),
    [`${at} CPU s`]: fixed.cpuSec.toFixed(1),
  };
}

/** Of a step: lost, twice or out of order, misread, without answer, cut off. */
export function errorsOf({ lost, misplaced, misread, closed, acked, sent }: Step): number {
  return lost + misplaced + misread + closed + (acked === 0 ? 0 : sent - acked);
}

const ms = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(value < 10 ? 1 : 0));
const whole = (value: number) => Math.round(value).toLocaleString('en');
