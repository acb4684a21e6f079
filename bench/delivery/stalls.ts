import type { Figure } from '../lib/report.ts';
import { startServer } from '../lib/server.ts';
import { faultsOf, type LoadOutcome, runLoad } from './load.ts';

// Bodies of 4,000 bytes, as in the source project's forced runs: smaller ones fit into the kernels' buffers for minutes, and nobody is slow.
const LOAD =
  '--mode group --clients 200 --group-size 20 --msg-interval-ms 200 --body-bytes 4000 --warm-up 10 --duration 60 --drain-timeout 120';
const STALLS = '--slow-consumer-pct 30 --slow-consumer-delay-ms 5000 --no-read-pct 10';

/** 1,000 messages a second, first without trouble, then with 30 % of the readers stalling for 5 s and 10 % never reading. */
export async function stalls(): Promise<Figure[]> {
  const server = await startServer();
  const calm = await runLoad(server, LOAD.split(' '));
  const stalled = await runLoad(server, `${LOAD} ${STALLS}`.split(' '));
  const output = server.output();
  await server.stop();
  const kicked = [...output.matchAll(/"uid":"([^"]+)".*"slow consumer closed"/g)].map(([, uid]) => uid);
  const rss = thirds(stalled);
  return [
    { name: 'without stalls: e2e p99', value: calm.latency.e2e!.p99, unit: 'ms' },
    { name: 'with stalls: e2e p99 of those who read', value: stalled.latency.e2e!.p99, unit: 'ms' },
    { name: 'the second by the first', value: stalled.latency.e2e!.p99 / calm.latency.e2e!.p99, unit: '', budget: { atMost: 1.2 } },
    { name: 'lost, doubled, reordered', value: faultsOf({ ...stalled, errors: {} }), unit: '', budget: { atMost: 0 } },
    { name: 'slow consumers closed', value: kicked.length, unit: '', budget: { atLeast: 1 }, note: `${new Set(kicked).size} users` },
    {
      name: 'server RSS: most in the last third less most in the middle third',
      value: rss.last - rss.middle,
      unit: 'MiB',
      budget: { atMost: 50 },
    },
    { name: 'server RSS, most', value: Math.max(rss.middle, rss.last), unit: 'MiB' },
  ];
}

function thirds({ seconds }: LoadOutcome): { middle: number; last: number } {
  const samples = seconds.slice(0, 60).map(({ rssMiB = 0 }) => rssMiB);
  return { middle: Math.max(...samples.slice(20, 40)), last: Math.max(...samples.slice(40)) };
}
