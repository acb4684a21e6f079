import { setTimeout as sleep } from 'node:timers/promises';
import { type RunningPostgres, signToken } from '@gapless/testkit';
import { Cluster } from '../cluster/cluster.ts';
import type { Ends } from '../cluster/ends.ts';
import { type ClusterOutcome, detailsOf, errorsOf, startLoad } from '../cluster/load.ts';
import { broker } from '../cluster/services.ts';
import { HistogramSpan } from './histogram.ts';
import { inTurns, type Mode } from './modes.ts';

export interface NodesOptions {
  readonly nodes: number;
  readonly repeats: number;
  readonly clients: number;
  readonly seconds: number;
  /** Flags of `gapless load` besides. */
  readonly flags: string;
}

/** What one load under one mode showed, by name: milliseconds, but for the last two. */
export interface Round {
  readonly figures: Readonly<Record<string, number>>;
  /** Missing, doubled, out of order, or answered with an error. */
  readonly faults: number;
  readonly details: object;
}

const WARM_UP_SEC = 5;
const TRY_SEC = 10;
const MSG_INTERVAL_MS = 3_000;
const POLL_MS = 20;
/** By then the positions of the last second are written: their cost is part of it. */
const SETTLE_MS = 2_000;

const HISTOGRAMS = {
  dbQueueMs: 'gapless_send_db_queue_seconds',
  totalMs: 'gapless_send_total_seconds',
  ensureMembersMs: 'gapless_ensure_members_seconds',
} as const;
const SCRAPED = /^gapless_(send_db_queue|send_total|ensure_members|commit)_seconds_bucket|^gapless_commit_commands_(sum|count)/;

/** The same load on the same nodes, again and again; the mode is switched while they run. */
export async function onNodes(database: RunningPostgres, options: NodesOptions, ends: Ends): Promise<Record<Mode, Round[]>> {
  const { nodes, repeats, seconds } = options;
  const bus = nodes === 1 ? 'memory' : (await broker('redis', ends)).url;
  const cluster = await Cluster.start({ nodes, store: await database.createDatabase(), broker: bus }, ends);
  // What is slow the first time only is nobody's.
  await startLoad(cluster.urls, flagsOf(options, TRY_SEC), { check: false, ends }).outcome;
  const rounds = await inTurns(repeats, async (mode, repeat) => {
    console.log(`ensure-members ${mode}, ${repeat + 1} of ${repeats} …`);
    await switchTo(cluster, mode);
    return round({ cluster, database, flags: flagsOf(options, seconds), ends });
  });
  await cluster.stop();
  return rounds;
}

function flagsOf({ clients, flags }: NodesOptions, seconds: number): string {
  return (
    `--mode single_e2e --clients ${clients} --connect-rate 1000 --msg-interval-ms ${MSG_INTERVAL_MS} ` +
    `--warm-up ${WARM_UP_SEC} --duration ${seconds + WARM_UP_SEC} ${flags}`
  ).trim();
}

/** As an operator does it: at one node, and all follow. */
async function switchTo({ urls }: Cluster, mode: Mode): Promise<void> {
  const headers = { authorization: `Bearer ${await signToken('bench', { role: 'admin' })}`, 'content-type': 'application/json' };
  const settings = (url: string) => `${url}/v1/admin/settings`;
  const answer = await fetch(settings(urls[0]!), { method: 'PATCH', headers, body: JSON.stringify({ 'ensure-members': mode }) });
  if (!answer.ok) throw new Error(`changing the setting is answered ${answer.status}: ${await answer.text()}`);
  for (const url of urls) {
    const isThere = async () => {
      const { items } = (await (await fetch(settings(url), { headers })).json()) as { items: { name: string; value: string }[] };
      return items.some(({ name, value }) => name === 'ensure-members' && value === mode);
    };
    while (!(await isThere())) await sleep(POLL_MS);
  }
}

interface RoundOptions {
  readonly cluster: Cluster;
  readonly database: RunningPostgres;
  readonly flags: string;
  readonly ends: Ends;
}

async function round({ cluster, database, flags, ends }: RoundOptions): Promise<Round> {
  const before = await cluster.metrics(SCRAPED);
  const load = startLoad(cluster.urls, flags, { check: false, ends });
  await load.underWay;
  const cpuBefore = { postgres: database.cpuSec(), nodes: cluster.cpuSec() };
  const outcome = await load.outcome;
  await sleep(SETTLE_MS);
  const cpu = { postgres: database.cpuSec() - cpuBefore.postgres, nodes: cluster.cpuSec() - cpuBefore.nodes };
  const after = await cluster.metrics(SCRAPED);
  const { saved, e2e } = outcome.latency;
  const usec = (sec: number) => (sec * 1e6) / outcome.counts.saved;
  return {
    figures: {
      ...named('saved', (percent) => saved![`p${percent}` as 'p50']),
      ...Object.assign({}, ...Object.entries(HISTOGRAMS).map(([name, metric]) => spanOf(name, metric, before, after))),
      ...named('e2e', (percent) => e2e![`p${percent}` as 'p50']),
      ...spanOf('commit', 'gapless_commit_seconds', before, after),
      'Postgres CPU a message': usec(cpu.postgres),
      'nodes CPU a message': usec(cpu.nodes),
    },
    faults: faultsOf(outcome),
    details: { cpuSec: cpu, commits: commitsOf(before, after), ...detailsOf(outcome) },
  };
}

function named(name: string, percentile: (percent: 50 | 95 | 99) => number): Record<string, number> {
  return Object.fromEntries(([50, 95, 99] as const).map((percent) => [`${name} p${percent}`, percentile(percent)]));
}

function spanOf(name: string, metric: string, before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>) {
  const span = new HistogramSpan(metric, before, after);
  return named(name, (percent) => span.percentileMs(percent));
}

function commitsOf(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): object {
  const since = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
  const [batches, commands] = [since('gapless_commit_commands_count'), since('gapless_commit_commands_sum')];
  return { batches, commands, meanCommands: commands / batches };
}

function faultsOf(outcome: ClusterOutcome): number {
  const { counts, drain, deliveredPct } = outcome;
  return counts.gaps + counts.duplicates + counts.reorders + drain.behind + errorsOf(outcome) + (deliveredPct === 100 ? 0 : 1);
}
