import type { AnomalyName } from '../check/anomalies.ts';
import type { CheckResult } from '../check/check.ts';
import type { DrillOptions, DrillResult } from './drill.ts';
import type { Crowd } from './workload/crowd.ts';

/** What the drill saw beside the histories. */
export interface Facts {
  /** Promises that were broken, a line each. */
  readonly broken: string[];
  readonly notes: string[];
}

const DUPLICATED: readonly AnomalyName[] = ['duplicate', 'twice-saved', 'shown-again'];
const REORDERED: readonly AnomalyName[] = ['reorder', 'int-nonmonotonic', 'ext-nonmonotonic'];
const GAPS: readonly AnomalyName[] = ['gap', 'hole', 'unobserved'];
const LOST: readonly AnomalyName[] = ['lost-write'];

interface Outcome {
  readonly check: CheckResult;
  readonly facts: Facts;
  readonly crowd: Pick<Crowd, 'sent' | 'reconnects' | 'problems' | 'acks'>;
  readonly options: DrillOptions;
}

/** The verdict of the checker and what the clients themselves noticed, as one row of the table. */
export function resultOf({ check, facts, crowd, options }: Outcome): DrillResult {
  const count = (names: readonly AnomalyName[]) =>
    check.anomalies.filter(({ name }) => names.includes(name)).reduce((sum, anomaly) => sum + anomaly.count, 0);
  const { acked, accepted, saved, acceptedLost, acceptedLostReported } = check;
  const anomalies = [
    ...check.anomalies.map(lineOf),
    ...crowd.problems(),
    ...facts.broken,
    ...unchecked(check),
    ...idle({ check, options }),
  ];
  return {
    ...{ acked, accepted, saved, acceptedLost, acceptedLostReported },
    lost: count(LOST),
    duplicated: count(DUPLICATED),
    reordered: count(REORDERED),
    gaps: count(GAPS),
    ...rounded(crowd.acks.times()),
    anomalies,
    notes: [`${crowd.sent} sent, ${crowd.reconnects} reconnects${refusals(crowd.acks.refusals)}`, ...joins(check), ...facts.notes],
    ok: anomalies.length === 0,
  };
}

/** Where the checker could not look: it would find nothing there, whatever had happened. */
function unchecked({ resets, withoutHistory }: CheckResult): string[] {
  return [
    // The log is kept for longer than any drill, and no server is set back: a client that comes back by its rev goes on from there.
    ...(resets > 0 ? [`${resets} joins were answered with reset: what was missed before is not known`] : []),
    ...(withoutHistory > 0 ? [`the final history of ${withoutHistory} conversations was not read`] : []),
  ];
}

function joins({ joinsWithoutPosition: count }: CheckResult): string[] {
  return count === 0 ? [] : [`${count} joins of a client that had been there and did not say how far it was: it began anew`];
}

/** A run that shows nothing must not pass. */
function idle({ check, options }: Pick<Outcome, 'check' | 'options'>): string[] {
  if (check.saved === 0) return ['nothing was saved: the drill shows nothing'];
  if (options.twoPhase === 'on' && check.accepted === 0) return ['two-phase was on and nothing was accepted: the drill shows nothing'];
  return [];
}

function lineOf({ name, what, count, examples }: CheckResult['anomalies'][number]): string {
  return `${name}: ${what}: ${count}, as ${examples.join('; ')}`;
}

function refusals(codes: ReadonlyMap<string, number>): string {
  return [...codes].map(([code, count]) => `, ${count} sends were answered ${code} and sent again`).join('');
}

/** To whole milliseconds. */
function rounded<T extends Record<string, number>>(times: T): T {
  return Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, Math.round(ms)])) as T;
}
