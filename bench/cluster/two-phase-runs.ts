import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import type { Ends } from './ends.ts';
import { type ClusterOutcome, startLoad } from './load.ts';
import { type Options, warmUpSecOf } from './options.ts';

const SAMPLE_MS = 500;
const SCRAPE_TIMEOUT_MS = 900;
const POLL_MS = 50;
const SWITCHED_MS = 30_000;
const DRAINED_MS = 10_000;

/** What is switched on every node while it runs. `accepted-only`: others see a message when it is saved; `full`: when it is accepted. */
export const MODES = {
  baseline: { 'two-phase-enabled': 'false', 'two-phase-deliver-before-saved': 'false' },
  'accepted-only': { 'two-phase-enabled': 'true', 'two-phase-deliver-before-saved': 'false' },
  full: { 'two-phase-enabled': 'true', 'two-phase-deliver-before-saved': 'true' },
} as const;
export type Mode = keyof typeof MODES;

interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** One run. Rates are of the time of sending, latencies in milliseconds. */
export interface Run {
  readonly mode: Mode;
  readonly attemptedPerSec: number;
  readonly accepted?: Percentiles;
  readonly saved: Percentiles;
  readonly e2e: Percentiles;
  readonly acceptedPct?: number;
  readonly savedPct: number;
  readonly deliveredPct: number;
  readonly errors: number;
  readonly duplicates: number;
  readonly reorders: number;
  readonly gaps: number;
  readonly lostNumbers: number;
  readonly anomalies: number;
  /** Messages accepted and not saved: the most at a look, and at the last look, when everyone had everything. */
  readonly backlogMax: number;
  readonly backlogEnd: number;
  /** Each, twice a second, from the start of the load. */
  readonly backlog: readonly number[];
  /** CPU seconds for each second of the run, the making of its conversations and the check included. */
  readonly cpu: { readonly nodes: number; readonly postgres: number; readonly redis: number };
  readonly generatorOk: boolean;
  readonly load: object;
}

export interface World {
  readonly cluster: Cluster;
  readonly postgres: { cpuSec(): number };
  readonly redis: { cpuSec(): number };
  readonly ends: Ends;
}

/** Each mode in turn, so often: what the machine does meanwhile is shared by all. Every run is kept. */
export async function runAll(world: World, modes: readonly Mode[], options: Options): Promise<Run[]> {
  const runs: Run[] = [];
  for (let repeat = 0; repeat < options.repeats; repeat++)
    for (const mode of modes) {
      console.log(`  ${mode}, ${repeat + 1} of ${options.repeats}`);
      runs.push(await runOne(world, mode, options));
    }
  return runs;
}

async function runOne({ cluster, postgres, redis, ends }: World, mode: Mode, options: Options): Promise<Run> {
  await switchTo(cluster, MODES[mode]);
  const before = { at: performance.now(), nodes: cluster.cpuSec(), postgres: postgres.cpuSec(), redis: redis.cpuSec() };
  const backlog = new Backlog(cluster);
  const outcome = await startLoad(cluster.urls, flagsOf(options), { check: true, ends }).outcome.finally(() => backlog.stop());
  const seconds = (performance.now() - before.at) / 1_000;
  const { counts, latency, check } = outcome;
  const anomalies = check?.anomalies.reduce((sum, { count }) => sum + count, 0) ?? 0;
  return {
    mode,
    attemptedPerSec: (counts.sent * 1_000) / outcome.options.durationMs,
    ...(latency.accepted === undefined
      ? {}
      : { accepted: percentilesOf(latency.accepted), acceptedPct: pct(counts.accepted, counts.sent) }),
    saved: percentilesOf(latency.saved!),
    e2e: percentilesOf(latency.e2e!),
    savedPct: pct(counts.saved, counts.sent),
    deliveredPct: outcome.deliveredPct,
    errors: Object.values(outcome.errors).reduce((sum, count) => sum + count, 0),
    duplicates: counts.duplicates,
    reorders: counts.reorders,
    gaps: counts.gaps,
    lostNumbers: outcome.lost,
    anomalies,
    backlogMax: Math.max(0, ...backlog.samples),
    backlogEnd: backlog.samples.at(-1) ?? 0,
    backlog: backlog.samples,
    cpu: {
      nodes: (cluster.cpuSec() - before.nodes) / seconds,
      postgres: (postgres.cpuSec() - before.postgres) / seconds,
      redis: (redis.cpuSec() - before.redis) / seconds,
    },
    generatorOk: outcome.generatorOk,
    load: keptOf(outcome),
  };
}

function flagsOf(options: Options): string {
  const { clients, seconds, intervalMs, sendModel } = options;
  const warmUpSec = warmUpSecOf(options);
  // Of each pair one sends, as in the runs that this is compared with.
  const who = `--mode group --group-size 2 --senders 1 --clients ${clients} --connect-rate 1000`;
  return `${who} --msg-interval-ms ${intervalMs} --send-model ${sendModel} --warm-up ${warmUpSec} --duration ${warmUpSec + seconds}`;
}

/** Over one node, which tells the others; resolves when all have it, and accept or have ended accepting. */
async function switchTo(cluster: Cluster, settings: (typeof MODES)[Mode]): Promise<void> {
  const headers = { authorization: `Bearer ${await cluster.adminToken()}`, 'content-type': 'application/json' };
  const answer = await fetch(`${cluster.urls[0]}/v1/admin/settings`, { method: 'PATCH', headers, body: JSON.stringify(settings) });
  if (!answer.ok) throw new Error(`changing the settings is answered ${answer.status}: ${await answer.text()}`);
  const accepts = settings['two-phase-enabled'] === 'true';
  const until = performance.now() + SWITCHED_MS;
  for (const url of cluster.urls) {
    while (!(await hasSettings(url, headers, settings)) || ((await metricAt(url, 'gapless_accept_epoch')) ?? 0) > 0 !== accepts) {
      if (performance.now() > until) throw new Error(`${url} does not take the settings over`);
      await sleep(POLL_MS);
    }
  }
}

async function hasSettings(url: string, headers: Record<string, string>, wanted: Readonly<Record<string, string>>): Promise<boolean> {
  const { items } = (await (await fetch(`${url}/v1/admin/settings`, { headers })).json()) as { items: { name: string; value: string }[] };
  return Object.entries(wanted).every(([name, value]) => items.some((item) => item.name === name && item.value === value));
}

/** Looks at the backlog twice a second. All nodes tell of the same one, and each look takes some of a node's time: one is asked. */
class Backlog {
  readonly samples: number[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #url: string;
  #looking: Promise<void> | undefined;

  constructor(cluster: Cluster) {
    this.#url = cluster.urls[0]!;
    this.#timer = setInterval(() => (this.#looking ??= this.#look()), SAMPLE_MS);
  }

  /** When there is none any more, or after a while: what the nodes tell of is some seconds old. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    const until = performance.now() + DRAINED_MS;
    for (await this.#look(); this.samples.at(-1) !== 0 && performance.now() < until; await this.#look()) await sleep(SAMPLE_MS);
  }

  async #look(): Promise<void> {
    const told = await metricAt(this.#url, 'gapless_accept_backlog_entries');
    if (told !== undefined) this.samples.push(told);
    this.#looking = undefined;
  }
}

async function metricAt(url: string, name: string): Promise<number | undefined> {
  try {
    const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) })).text();
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text)?.[1] ?? 0);
  } catch {
    // Busy: the next look tells.
    return undefined;
  }
}

function percentilesOf({ p50, p95, p99 }: Percentiles): Percentiles {
  return { p50, p95, p99 };
}

function pct(part: number, whole: number): number {
  return whole === 0 ? 100 : (part / whole) * 100;
}

function keptOf({ counts, rates, latency, errors, kicks, drain, server, generatorOk, check }: ClusterOutcome): object {
  return { counts, rates, latency, errors, kicks, drain, server, generatorOk, anomalies: check?.anomalies };
}
