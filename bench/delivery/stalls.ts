import type { Figure } from '../lib/report.ts';
import { startServer } from '../lib/server.ts';
import { faultsOf, type LoadOutcome, runLoad } from './load.ts';

// Bodies of 4,000 bytes, as in the source project's forced runs: smaller ones fit into the kernels' buffers for minutes, and nobody is slow.
const LOAD =
  '--mode group --clients 200 --group-size 20 --msg-interval-ms 200 --body-bytes 4000 --warm-up 10 --duration 40 --drain-timeout 120';
const STALLS = '--slow-consumer-pct 30 --slow-consumer-delay-ms 5000 --no-read-pct 10';
/** In turns, and the median: a p99 of some milliseconds is one checkpoint or one collection more or less. */
const TURNS = 3;

/** 1,000 messages a second, without trouble, and with 30 % of the readers stalling for 5 s and 10 % never reading. */
export async function stalls(): Promise<Figure[]> {
  const server = await startServer();
  const calm: LoadOutcome[] = [];
  const stalled: LoadOutcome[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    calm.push(await runLoad(server, LOAD.split(' ')));
    stalled.push(await runLoad(server, `${LOAD} ${STALLS}`.split(' ')));
  }
  const output = server.output();
  await server.stop();
  const kicked = [...output.matchAll(/"uid":"([^"]+)".*"slow consumer closed"/g)].map(([, uid]) => uid);
  const [without, withStalls] = [p99Of(calm), p99Of(stalled)];
  const faults = stalled.reduce((sum, outcome) => sum + faultsOf({ ...outcome, errors: {} }), 0);
  return [
    { name: 'without stalls: e2e p99', value: without.median, unit: 'ms', note: without.all },
    { name: 'with stalls: e2e p99 of those who read', value: withStalls.median, unit: 'ms', note: withStalls.all },
    { name: 'the second by the first', value: withStalls.median / without.median, unit: '', budget: { atMost: 1.2 } },
    { name: 'lost, doubled, reordered', value: faults, unit: '', budget: { atMost: 0 } },
    { name: 'slow consumers closed', value: kicked.length, unit: '', budget: { atLeast: 1 }, note: `${new Set(kicked).size} users` },
    {
      name: 'server RSS: most in the last run with stalls less most in the first',
      value: rssOf(stalled.at(-1)!) - rssOf(stalled[0]!),
      unit: 'MiB',
      budget: { atMost: 50 },
    },
    { name: 'server RSS, most', value: Math.max(...stalled.map(rssOf)), unit: 'MiB' },
  ];
}

function p99Of(outcomes: readonly LoadOutcome[]): { median: number; all: string } {
  const all = outcomes.map(({ latency }) => latency.e2e!.p99).sort((a, b) => a - b);
  return { median: all[Math.floor(all.length / 2)]!, all: all.map((value) => value.toFixed(1)).join(', ') };
}

function rssOf({ seconds }: LoadOutcome): number {
  return Math.max(...seconds.map(({ rssMiB = 0 }) => rssMiB));
}
