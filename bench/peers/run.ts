// Gapless beside other ways to build a chat server, on this machine, in one run.
// `npm run bench -- peers [room|pairs] [gapless|socket-io|tutorial|ws-relay|sink|merging-sink] [--repeats N]
// [--quick]`: of each kind all, or those named; each system N times (once), in turns, and the median counts.

import { parseArgs } from 'node:util';
import { type Figure, report } from '../lib/report.ts';
import { FULL, QUICK } from './pace.ts';
import { ratioOf } from './ratio.ts';
import { growsLate, SLO } from './search.ts';
import { gapless } from './systems/gapless.ts';
import { mergingSink, sink, socketIo, wsRelay } from './systems/in-memory.ts';
import type { System } from './systems/system.ts';
import { tutorial } from './systems/tutorial.ts';
import { deliveriesPerSec, isNearCeiling, type Outcome, printOutcome, rowOf } from './table.ts';
import { type Measured, measure, pairs, room, type Workload } from './workloads.ts';
import type { Step } from './world.ts';

const SYSTEMS: Readonly<Record<string, System>> = {
  gapless,
  'socket-io': socketIo,
  tutorial,
  'ws-relay': wsRelay,
  sink,
  'merging-sink': mergingSink,
};
const WORKLOADS: Readonly<Record<string, Workload>> = { room, pairs };

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, repeats: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const repeats = Number(values.repeats);
if (!Number.isInteger(repeats) || repeats < 1) throw new Error('--repeats: a whole number from 1.');
const unknown = positionals.filter((name) => SYSTEMS[name] === undefined && WORKLOADS[name] === undefined);
if (unknown.length > 0) throw new Error(`Unknown: ${unknown.join(', ')}. Known: ${Object.keys({ ...WORKLOADS, ...SYSTEMS }).join(', ')}.`);
const pace = values.quick ? QUICK : FULL;
const outcomes: Outcome[] = [];
for (const workload of named(WORKLOADS)) outcomes.push(await run(workload));
const figures = outcomes.flatMap(figuresOf);
for (const outcome of outcomes) printOutcome(outcome);
for (const { name, note } of figures) if (note !== undefined) console.log(`NOTE ${name}: ${note}`);
const parts = [...positionals, ...(values.quick ? ['quick'] : [])];
report(['peers', ...parts].join('-'), figures, { pace, slo: SLO, repeats, outcomes: outcomes.map(detailsOf) });
process.exit();

/** Those that were asked for; all when none was. */
function named<T>(all: Readonly<Record<string, T>>): T[] {
  const asked = positionals.filter((name) => all[name] !== undefined);
  return (asked.length === 0 ? Object.keys(all) : asked).map((name) => all[name]!);
}

async function run(workload: Workload): Promise<Outcome> {
  const runs = new Map<System, Measured[]>();
  const skipped = new Map<System, string>();
  // In turns, so that what the machine does meanwhile meets all alike.
  for (let n = 1; n <= repeats; n++) {
    for (const system of named(SYSTEMS)) {
      if ((system === mergingSink && workload !== room) || skipped.has(system)) continue;
      console.log(`${workload.title}: ${system.name}${repeats === 1 ? '' : `, run ${n} of ${repeats}`} …`);
      const measured = await measure(workload, system, { pace, onStep: printStep });
      if ('reason' in measured) skipped.set(system, measured.reason);
      else runs.set(system, [...(runs.get(system) ?? []), measured]);
    }
  }
  return {
    workload,
    rows: [...runs].map(([system, measured]) => rowOf(system, measured)),
    skipped: [...skipped].map(([system, reason]) => ({ system: system.name, reason })),
  };
}

function printStep(step: Step): void {
  const { ratePerSec, complete, halted, e2e, cpuUsPerDelivery, generatorCpuPct, lagP99Ms, deliveredPct } = step;
  const late = growsLate(step) ? '  later and later' : '';
  const outcome = complete ? late : halted ? '  gave up' : '  incomplete';
  console.log(
    `  ${ratePerSec.toFixed(0).padStart(6)} msg/s  p50 ${e2e?.p50.toFixed(1)} ms  p99 ${e2e?.p99.toFixed(1)} ms  ${deliveredPct.toFixed(2)} %  ` +
      `server ${cpuUsPerDelivery.toFixed(2)} µs  generator ${generatorCpuPct.toFixed(0)} %, ${lagP99Ms.toFixed(1)} ms late${outcome}`,
  );
}

/** What Gapless has to reach beside each peer. */
function figuresOf(outcome: Outcome): Figure[] {
  const own = outcome.rows.find(({ system }) => system === gapless);
  const peers = outcome.rows.filter(({ system }) => system !== gapless && system.ceiling !== undefined);
  if (own === undefined) return [];
  return peers.map((peer) => {
    const { value, note, judged } = ratioOf(outcome, own, peer);
    return {
      name: `${outcome.workload.title}: Gapless ÷ ${peer.system.name}, deliveries/s inside the SLO`,
      value,
      unit: 'times',
      ...(note === undefined ? {} : { note }),
      ...(judged && outcome.workload === room && peer.system === socketIo ? { budget: { atLeast: 5 } } : {}),
    };
  });
}

function detailsOf(outcome: Outcome) {
  const { workload, rows, skipped } = outcome;
  return {
    workload: workload.title,
    layout: workload.layout,
    skipped,
    rows: rows.map((row) => ({
      system: row.system.name,
      version: row.measured.version,
      durability: row.system.durability,
      remarks: row.system.remarks,
      maxDeliveriesPerSec: deliveriesPerSec(outcome, row),
      maxDeliveriesPerSecOfRuns: row.runs.map((measured) => deliveriesPerSec(outcome, { measured })),
      nearCeiling: isNearCeiling(outcome, row),
      best: row.measured.found.best,
      fixed: row.measured.fixed,
      steps: row.measured.found.steps,
      otherRuns: row.runs.filter((measured) => measured !== row.measured),
    })),
  };
}
