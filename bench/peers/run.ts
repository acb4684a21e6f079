// Gapless beside other ways to build a chat server, on this machine, in one run.
// `npm run bench -- peers [room|pairs] [gapless|socket-io|tutorial|ws-relay|sink|merging-sink] [--quick]`: of each kind all, or those named.

import { parseArgs } from 'node:util';
import { type Figure, report } from '../lib/report.ts';
import { FULL, QUICK } from './pace.ts';
import { SLO } from './search.ts';
import { gapless } from './systems/gapless.ts';
import { mergingSink, sink, socketIo, wsRelay } from './systems/in-memory.ts';
import type { System } from './systems/system.ts';
import { tutorial } from './systems/tutorial.ts';
import { deliveriesPerSec, isNearCeiling, type Outcome, printOutcome, type Row } from './table.ts';
import { measure, pairs, room, type Workload } from './workloads.ts';
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

const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean', default: false } }, allowPositionals: true });
const unknown = positionals.filter((name) => SYSTEMS[name] === undefined && WORKLOADS[name] === undefined);
if (unknown.length > 0) throw new Error(`Unknown: ${unknown.join(', ')}. Known: ${Object.keys({ ...WORKLOADS, ...SYSTEMS }).join(', ')}.`);
const pace = values.quick ? QUICK : FULL;
const outcomes: Outcome[] = [];
for (const workload of named(WORKLOADS)) outcomes.push(await run(workload));
for (const outcome of outcomes) printOutcome(outcome);
const parts = [...positionals, ...(values.quick ? ['quick'] : [])];
report(['peers', ...parts].join('-'), outcomes.flatMap(figuresOf), { pace, slo: SLO, outcomes: outcomes.map(detailsOf) });
process.exit();

/** Those that were asked for; all when none was. */
function named<T>(all: Readonly<Record<string, T>>): T[] {
  const asked = positionals.filter((name) => all[name] !== undefined);
  return (asked.length === 0 ? Object.keys(all) : asked).map((name) => all[name]!);
}

async function run(workload: Workload): Promise<Outcome> {
  const rows: Row[] = [];
  const skipped: Outcome['skipped'][number][] = [];
  for (const system of named(SYSTEMS)) {
    if (system === mergingSink && workload !== room) continue;
    console.log(`${workload.title}: ${system.name} …`);
    const measured = await measure(workload, system, { pace, onStep: printStep });
    if ('reason' in measured) skipped.push({ system: system.name, reason: measured.reason });
    else rows.push({ system, measured });
  }
  return { workload, rows, skipped };
}

function printStep({ ratePerSec, complete, halted, e2e, cpuUsPerDelivery, generatorCpuPct, lagP99Ms, deliveredPct }: Step): void {
  const outcome = complete ? '' : halted ? '  gave up' : '  incomplete';
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
  return peers.map((peer) => ({
    name: `${outcome.workload.title}: Gapless ÷ ${peer.system.name}, deliveries/s inside the SLO`,
    value: deliveriesPerSec(outcome, own) / deliveriesPerSec(outcome, peer),
    unit: 'times',
    ...(outcome.workload === room && peer.system === socketIo ? { budget: { atLeast: 5 } } : {}),
  }));
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
      nearCeiling: isNearCeiling(outcome, row),
      best: row.measured.found.best,
      fixed: row.measured.fixed,
      steps: row.measured.found.steps,
    })),
  };
}
