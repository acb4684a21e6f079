import type { LoadResult } from './result.ts';

export interface Thresholds {
  /** Of `e2e`, or of what the mode measures instead. */
  readonly failP99Ms?: number;
  readonly failSavedP99Ms?: number;
  readonly failResumeP99Ms?: number;
  /** Added at p50 when the receiver is on another node. */
  readonly failHopP50Ms?: number;
  /** Of the server's event loop, mode resume: from the cut until the last one was back. */
  readonly failStormLoopP99Ms?: number;
  readonly failErrors?: number;
  readonly failDeliveredPct?: number;
}

/** What a run did not reach; order, duplicates, and a client that never had the last message have no threshold. */
export function failuresOf(result: LoadResult, thresholds: Thresholds): string[] {
  const { failErrors = 0, failDeliveredPct = 100 } = thresholds;
  const { counts, errors, deliveredPct, drain, check } = result;
  const failures: string[] = [];
  for (const name of ['gaps', 'duplicates', 'reorders'] as const) if (counts[name] > 0) failures.push(`${counts[name]} ${name}`);
  const count = Object.values(errors).reduce((sum, each) => sum + each, 0);
  if (count > failErrors) failures.push(`${count} errors, at most ${failErrors} allowed`);
  if (deliveredPct < failDeliveredPct) failures.push(`${deliveredPct.toFixed(3)} % delivered, ${failDeliveredPct} required`);
  if (counts.unsaved > 0) failures.push(`${counts.unsaved} accepted and never saved`);
  if (drain.behind > 0) failures.push(`${drain.behind} clients behind after ${(drain.ms / 1_000).toFixed(1)} s`);
  failures.push(...latencyFailures(result, thresholds), ...hopFailures(result, thresholds), ...stormFailures(result, thresholds));
  if (check !== undefined && !check.ok) failures.push(`the checker found ${check.anomalies.map(({ name }) => name).join(', ')}`);
  return failures;
}

function latencyFailures({ latency, options }: LoadResult, { failP99Ms, failSavedP99Ms, failResumeP99Ms }: Thresholds): string[] {
  const main = options.mode === 'ping' || options.mode === 'connect' ? options.mode : 'e2e';
  const limits = [
    [main, failP99Ms],
    ['saved', failSavedP99Ms],
    ['resume', failResumeP99Ms],
  ] as const;
  return limits.flatMap(([name, limitMs]) => {
    if (limitMs === undefined) return [];
    const p99 = latency[name]?.p99;
    if (p99 === undefined) return [`${name}: nothing was measured`];
    return p99 > limitMs ? [`${name} p99 ${p99.toFixed(1)} ms, at most ${limitMs} allowed`] : [];
  });
}

function hopFailures({ hop }: LoadResult, { failHopP50Ms: limitMs }: Thresholds): string[] {
  if (limitMs === undefined) return [];
  if (hop === undefined) return ['hop: nothing was measured'];
  return hop.p50 > limitMs ? [`another node adds ${hop.p50.toFixed(2)} ms at p50, at most ${limitMs} allowed`] : [];
}

/** What a server without the histogram tells does not pass for it. */
function stormFailures({ storm }: LoadResult, { failStormLoopP99Ms: limitMs }: Thresholds): string[] {
  if (limitMs === undefined) return [];
  const p99 = storm?.loopP99Ms;
  if (p99 === undefined) return ['storm: the p99 of the event loop was not measured'];
  return p99 > limitMs ? [`event loop p99 of the storm ${p99.toFixed(1)} ms, at most ${limitMs} allowed`] : [];
}
