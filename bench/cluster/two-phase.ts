import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure } from '../lib/report.ts';
import { Cluster } from './cluster.ts';
import type { Ends } from './ends.ts';
import type { Options } from './options.ts';
import type { Part } from './part.ts';
import { broker, postgres } from './services.ts';
import { slowPostgres } from './slow-commit.ts';
import { type Mode, type Run, runAll, type World } from './two-phase-runs.ts';
import { medianOf, tableOf } from './two-phase-table.ts';

const NODES = 5;
const TABLE = join(import.meta.dirname, '../results/cluster-two-phase.md');
const ACCEPTED_P99_MAX_MS = 40;
const SAVED_P99_MAX_MS = 1_000;
const NONE = { unit: '', budget: { atMost: 0 } };

interface Scope {
  readonly quick: boolean;
  readonly ends: Ends;
  readonly options: Options;
}

/**
 * Pairs, of which one sends, on five nodes over Postgres and Redis: acked when saved, acked when accepted, and delivered then too. The
 * modes take turns on one cluster, switched while it runs. Then all of it starts anew over a Postgres whose commits are slow.
 */
export async function twoPhase({ quick, ends, options }: Scope): Promise<Part> {
  const asItIs = await startWorld(await postgres(ends), ends);
  const runs = await runAll(asItIs, ['baseline', 'accepted-only', 'full'], options);
  const figures = [...figuresOf('', runs), ...gains(runs)];
  const details: Record<string, object> = { options, versions: asItIs.versions, runs };
  const tables = [`## Postgres as it comes\n\n${tableOf(runs)}`];
  await ends.all();
  if (options.slowCommitMs > 0) {
    const { database, commitMs } = await slowPostgres(options.slowCommitMs, ends);
    const slow = await runAll(await startWorld(database, ends), ['baseline', 'full'], options);
    figures.push(...figuresOf('slow commits, ', slow), ...drained(slow));
    Object.assign(details, { slow, commitMs });
    tables.push(`## Each commit takes ${options.slowCommitMs} ms more (${commitMs.toFixed(1)} ms when idle)\n\n${tableOf(slow)}`);
  }
  const text = [headOf(options), ...tables].join('\n\n');
  console.log(text);
  if (!quick) writeFileSync(TABLE, `${text}\n`);
  return { figures, details };
}

async function startWorld(database: Awaited<ReturnType<typeof postgres>>, ends: Ends) {
  const redis = await broker('redis', ends);
  const cluster = await Cluster.start({ nodes: NODES, store: await database.createDatabase(), broker: redis.url }, ends);
  const versions = { postgres: database.version, redis: redis.version };
  return { cluster, postgres: database, redis, ends, versions } satisfies World & { versions: object };
}

/** What holds in every run, and the medians of the modes. */
function figuresOf(prefix: string, runs: readonly Run[]): Figure[] {
  const sum = (read: (run: Run) => number) => runs.reduce((total, run) => total + read(run), 0);
  const full = (read: (run: Run) => number | undefined) => medianOf(runs, 'full', read) ?? Number.NaN;
  return [
    { name: `${prefix}duplicates, all runs`, value: sum(({ duplicates }) => duplicates), ...NONE },
    { name: `${prefix}reorders, all runs`, value: sum(({ reorders }) => reorders), ...NONE },
    { name: `${prefix}gaps, all runs`, value: sum(({ gaps }) => gaps), ...NONE },
    { name: `${prefix}anomalies found by the checker, all runs`, value: sum(({ anomalies }) => anomalies), ...NONE },
    { name: `${prefix}errors, all runs`, value: sum(({ errors }) => errors), ...NONE },
    { name: `${prefix}saved, worst run`, value: Math.min(...runs.map(({ savedPct }) => savedPct)), unit: '%', budget: { atLeast: 100 } },
    {
      name: `${prefix}delivered, worst run`,
      value: Math.min(...runs.map(({ deliveredPct }) => deliveredPct)),
      unit: '%',
      budget: { atLeast: 100 },
    },
    {
      name: `${prefix}full: accepted p99, median`,
      value: full(({ accepted }) => accepted?.p99),
      unit: 'ms',
      budget: { atMost: ACCEPTED_P99_MAX_MS },
    },
    { name: `${prefix}full: saved p99, median`, value: full(({ saved }) => saved.p99), unit: 'ms', budget: { atMost: SAVED_P99_MAX_MS } },
  ];
}

function gains(runs: readonly Run[]): Figure[] {
  const e2eP99 = (mode: Mode) => medianOf(runs, mode, ({ e2e }) => e2e.p99) ?? Number.NaN;
  return [
    { name: 'baseline: e2e p99, median', value: e2eP99('baseline'), unit: 'ms' },
    { name: 'accepted-only: e2e p99, median', value: e2eP99('accepted-only'), unit: 'ms' },
    { name: 'full: e2e p99, median', value: e2eP99('full'), unit: 'ms', budget: { atMost: e2eP99('baseline') } },
  ];
}

function drained(runs: readonly Run[]): Figure[] {
  const full = runs.filter(({ mode }) => mode === 'full');
  return [
    { name: 'slow commits, full: backlog at its largest', value: Math.max(...full.map(({ backlogMax }) => backlogMax)), unit: 'messages' },
    { name: 'slow commits, full: backlog at the end', value: Math.max(...full.map(({ backlogEnd }) => backlogEnd)), ...NONE },
    { name: 'slow commits, baseline: e2e p99, median', value: medianOf(runs, 'baseline', ({ e2e }) => e2e.p99) ?? Number.NaN, unit: 'ms' },
    { name: 'slow commits, full: e2e p99, median', value: medianOf(runs, 'full', ({ e2e }) => e2e.p99) ?? Number.NaN, unit: 'ms' },
  ];
}

function headOf({ clients, seconds, repeats, intervalMs, sendModel }: Options): string {
  return `# Two-phase acks, five nodes

${clients} clients in pairs, one of each sends, one message per ${intervalMs} ms, ${sendModel}, ${seconds} s measured, each mode ${repeats} times, in
turns; generator, nodes, Postgres and Redis on one machine. Between runs the mode is switched over \`PATCH /v1/admin/settings\`; with slow
commits everything was started anew. \`accepted-only\`: others see a message when it is saved; \`full\`: when it is accepted. Latencies in
milliseconds from the intended time, p50 / p95 / p99, without the first message of each conversation. CPU in cores.`;
}
