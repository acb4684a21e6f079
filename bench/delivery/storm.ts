import type { Figure } from '../lib/report.ts';
import { startServer } from '../lib/server.ts';
import { faultsOf, runLoad } from './load.ts';

const LOAD = '--mode resume --clients 10000 --group-size 100 --msg-interval-ms 20000 --duration 30 --warm-up 2 --drain-timeout 60';

/** 10,000 clients in conversations of 100; nine of ten are cut off at once and return by the protocol's backoff while 500 messages a second go on. */
export async function storm(): Promise<Figure[]> {
  const server = await startServer();
  const outcome = await runLoad(server, LOAD.split(' '));
  await server.stop();
  const { latency, storm: during } = outcome;
  return [
    { name: 'storm of 10,000: lost, doubled, reordered, refused', value: faultsOf(outcome), unit: '', budget: { atMost: 0 } },
    { name: 'live e2e p99 meanwhile', value: latency.e2eStorm!.p99, unit: 'ms', budget: { atMost: 800 } },
    { name: 'event-loop delay p99 meanwhile', value: during?.loopP99Ms ?? Number.NaN, unit: 'ms', budget: { atMost: 50 } },
    { name: 'event-loop delay, most', value: during?.loopMaxMs ?? Number.NaN, unit: 'ms' },
    { name: 'resumed, with everything, p50', value: latency.resume!.p50, unit: 'ms' },
    { name: 'resumed, with everything, the last', value: latency.resume!.max, unit: 'ms' },
  ];
}
