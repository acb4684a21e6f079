import type { LoopDelay } from './loop-delay.ts';
import type { NodeUse } from './node-use.ts';
import { printTable, type Repeated, tableOf } from './repeats.ts';
import { GENERATOR_CPU_MAX_PCT, type LoadResult, type Second } from './result.ts';
import type { SearchResult } from './search.ts';
import type { Latency } from './stats.ts';

const ms = (value: number) => value.toFixed(value < 10 ? 2 : 1).padStart(9);

const NAMES: Partial<Record<Latency, string>> = {
  e2eSlow: 'e2e slow',
  e2eStorm: 'e2e storm',
  e2eSame: 'same node',
  e2eOther: 'other node',
};

/** The result for people. */
export function printResult(result: LoadResult, failures: readonly string[]): string {
  const { options, counts, rates, latency, errors, kicks, drain, server } = result;
  const lines = [
    `${options.mode}: ${options.clients} clients, ${options.durationMs / 1_000} s, ${options.closedLoop ? 'closed' : 'open'} loop, one send per ` +
      `${options.msgIntervalMs} ms each, ${options.sendModel}`,
    `sent ${counts.sent}  saved ${counts.saved}  received ${counts.received}  delivered ${result.deliveredPct.toFixed(3)} %`,
    ...twoPhaseText(result),
    `a second, while sending: saved ${rates.saved.toFixed(0)}  received ${rates.received.toFixed(0)}`,
    `gaps ${counts.gaps}  duplicates ${counts.duplicates}  reorders ${counts.reorders}  reconnects ${counts.reconnects}  resent ${counts.resent}`,
    `${'ms'.padEnd(10)}${['p50', 'p90', 'p95', 'p99', 'p99.9', 'max', 'count'].map((name) => name.padStart(9)).join('')}`,
  ];
  for (const [name, { p50, p90, p95, p99, p999, max, count }] of Object.entries(latency))
    lines.push(
      `${(NAMES[name as Latency] ?? name).padEnd(10)}${[p50, p90, p95, p99, p999, max].map(ms).join('')}${String(count).padStart(9)}`,
    );
  const { hop } = result;
  if (hop !== undefined)
    lines.push(`hop        another node adds p50 ${hop.p50.toFixed(2)}, p95 ${hop.p95.toFixed(2)}, p99 ${hop.p99.toFixed(2)} ms`);
  for (const [code, count] of Object.entries(errors)) lines.push(`error      ${code}: ${count}`);
  for (const [code, count] of Object.entries(kicks)) lines.push(`ended      ${code}: ${count}`);
  const { stormMs, storm } = result;
  if (stormMs !== undefined || storm !== undefined) {
    const back =
      stormMs === undefined ? 'not everyone was back' : `the last one was back, with everything, after ${(stormMs / 1_000).toFixed(2)} s`;
    lines.push(`storm      ${back}${loopText(storm)}`);
  }
  lines.push(
    `drain      ${(drain.ms / 1_000).toFixed(2)} s until everyone had everything${drain.behind === 0 ? '' : `; ${drain.behind} never had`}; ` +
      `${drain.saved} saved and ${drain.received} received only then`,
  );
  lines.push(`generator  CPU ${result.generatorCpuPct.toFixed(0)} % of a core, lag p99 ${(latency.lag?.p99 ?? 0).toFixed(2)} ms`);
  if (result.generatorCpuPct > GENERATOR_CPU_MAX_PCT)
    lines.push('NOTE       the generator was too busy: latencies are upper, rates lower bounds (--workers, another machine)');
  else if (!result.generatorOk)
    lines.push('NOTE       the generator was late, though not busy: its machine was; latencies are upper bounds');
  if (server !== undefined) {
    const each = server.cpuUsPerReceived === undefined ? '' : ` (${server.cpuUsPerReceived.toFixed(1)} µs a message received)`;
    lines.push(
      `server     CPU ${server.cpuPct.toFixed(0)} % of a core on average${each}, RSS up to ${server.rssMaxMiB.toFixed(0)} MiB${loopText(server)}`,
    );
  }
  for (const node of server?.nodes ?? []) lines.push(nodeText(node));
  if (result.check !== undefined) lines.push(`checker    ${result.check.events} events, ${result.check.anomalies.length} kinds of anomaly`);
  for (const failure of failures) lines.push(`FAILED     ${failure}`);
  if (failures.length === 0) lines.push('PASSED');
  return lines.join('\n');
}

/** Nothing where the server saves first. */
function twoPhaseText({ counts, lost }: LoadResult): string[] {
  const { accepted, voided, unsaved } = counts;
  if (accepted === 0) return [];
  return [
    `two phases: accepted ${accepted}  never saved ${unsaved}  sent again because their number was lost ${voided}  numbers lost ${lost}`,
  ];
}

function nodeText({ url, cpuPct, rssMaxMiB, connectionsMax }: NodeUse): string {
  const process = cpuPct === undefined ? 'was not seen' : `CPU ${cpuPct.toFixed(0)} %, RSS up to ${rssMaxMiB!.toFixed(0)} MiB`;
  return `node       ${url}  ${process}${connectionsMax === undefined ? '' : `, up to ${connectionsMax} connections`}`;
}

/** A server without the histogram tells less, and that is named. */
function loopText({ loopP99Ms, loopScrapeP99Ms, loopMaxMs }: LoopDelay = {}): string {
  const whole = (value: number | undefined) => value?.toFixed(value < 10 ? 1 : 0) ?? '?';
  if (loopP99Ms !== undefined) return `, event loop p99 ${whole(loopP99Ms)}, max ${whole(loopMaxMs)} ms`;
  if (loopMaxMs === undefined) return '';
  return `, event loop p99 of the worst second ${whole(loopScrapeP99Ms)}, max ${whole(loopMaxMs)} ms (no histogram)`;
}

export function printSecond(second: Second): string {
  const { sent, saved, received, cpuPct, rssMiB, e2eP99Ms } = second;
  const e2e = e2eP99Ms === undefined ? '' : `  e2e p99 ${e2eP99Ms.toFixed(1)} ms`;
  const server = cpuPct === undefined ? '' : `  server ${cpuPct.toFixed(0)} % CPU, ${rssMiB!.toFixed(0)} MiB`;
  return `${String(second.second).padStart(4)} s  ${sent} sent/s  ${saved} saved/s  ${received} received/s${e2e}${server}`;
}

export function printRepeats(repeated: Repeated, failures: readonly (readonly string[])[]): string {
  const failed = failures.flatMap((list, at) => list.map((failure) => `FAILED     run ${at + 1}: ${failure}`));
  return [printTable(tableOf(repeated)), ...failed, ...(failed.length === 0 ? [`PASSED     ${repeated.runs.length} runs`] : [])].join('\n');
}

interface Outcome {
  readonly result: LoadResult;
  readonly failures: readonly string[];
}

export function searchTable({ steps }: SearchResult<Outcome>): string[][] {
  return [
    ['messages/s', 'received/s', 'e2e p50', 'e2e p99', 'delivered %', 'server CPU %', 'generator CPU %', ''],
    ...steps.map(({ ratePerSec, held, outcome: { result } }) => [
      ratePerSec.toFixed(0),
      result.rates.received.toFixed(0),
      (result.latency.e2e?.p50 ?? 0).toFixed(1),
      (result.latency.e2e?.p99 ?? 0).toFixed(1),
      result.deliveredPct.toFixed(2),
      (result.server?.cpuPct ?? 0).toFixed(0),
      result.generatorCpuPct.toFixed(0),
      held ? 'held' : result.generatorOk ? 'not held' : 'not held; nor was the generator in time',
    ]),
  ];
}

export function printSearch(search: SearchResult<Outcome>, limitMs: number): string {
  const { bestPerSec, open } = search;
  const answer =
    bestPerSec === undefined
      ? `FAILED     not even ${search.steps[0]!.ratePerSec.toFixed(0)} messages/s hold e2e p99 ≤ ${limitMs} ms`
      : `${open ? 'At least' : 'About'} ${bestPerSec.toFixed(0)} messages/s hold e2e p99 ≤ ${limitMs} ms, everything delivered in order.`;
  return `${printTable(searchTable(search))}\n${answer}`;
}
