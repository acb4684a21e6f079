import type { LoadResult, Second } from './result.ts';

const ms = (value: number) => value.toFixed(value < 10 ? 2 : 1).padStart(9);

/** The result for people. */
export function printResult(result: LoadResult, failures: readonly string[]): string {
  const { options, counts, latency, errors } = result;
  const lines = [
    `${options.mode}: ${options.clients} clients, ${options.durationMs / 1_000} s, ${options.closedLoop ? 'closed' : 'open'} loop, one send per ` +
      `${options.msgIntervalMs} ms each, ${options.sendModel}`,
    `sent ${counts.sent}  saved ${counts.saved}  received ${counts.received}  delivered ${result.deliveredPct.toFixed(3)} %`,
    `gaps ${counts.gaps}  duplicates ${counts.duplicates}  reorders ${counts.reorders}  reconnects ${counts.reconnects}  resent ${counts.resent}`,
    `${'ms'.padEnd(10)}${['p50', 'p90', 'p99', 'p99.9', 'max', 'count'].map((name) => name.padStart(9)).join('')}`,
  ];
  for (const [name, { p50, p90, p99, p999, max, count }] of Object.entries(latency))
    lines.push(`${name.padEnd(10)}${[p50, p90, p99, p999, max].map(ms).join('')}${String(count).padStart(9)}`);
  for (const [code, count] of Object.entries(errors)) lines.push(`error      ${code}: ${count}`);
  lines.push(`generator  CPU ${result.generatorCpuPct.toFixed(0)} % of a core, lag p99 ${(latency.lag?.p99 ?? 0).toFixed(2)} ms`);
  if (!result.generatorOk)
    lines.push('NOTE       the generator was too busy: latencies are upper, rates lower bounds (--workers, another machine)');
  const { cpuPct, rssMiB } = peakOf(result.seconds);
  if (cpuPct !== undefined) lines.push(`server     CPU ${cpuPct.toFixed(0)} % of a core on average, RSS up to ${rssMiB!.toFixed(0)} MiB`);
  if (result.check !== undefined) lines.push(`checker    ${result.check.events} events, ${result.check.anomalies.length} kinds of anomaly`);
  for (const failure of failures) lines.push(`FAILED     ${failure}`);
  if (failures.length === 0) lines.push('PASSED');
  return lines.join('\n');
}

function peakOf(seconds: readonly Second[]): { cpuPct?: number; rssMiB?: number } {
  const sampled = seconds.filter(({ cpuPct }) => cpuPct !== undefined);
  if (sampled.length === 0) return {};
  return {
    cpuPct: sampled.reduce((sum, { cpuPct }) => sum + cpuPct!, 0) / sampled.length,
    rssMiB: Math.max(...sampled.map(({ rssMiB }) => rssMiB!)),
  };
}

export function printSecond({ second, sent, saved, received, cpuPct, rssMiB }: Second): string {
  const server = cpuPct === undefined ? '' : `  server ${cpuPct.toFixed(0)} % CPU, ${rssMiB!.toFixed(0)} MiB`;
  return `${String(second).padStart(4)} s  ${sent} sent/s  ${saved} saved/s  ${received} received/s${server}`;
}
