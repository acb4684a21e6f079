import type { Figure } from '../lib/report.ts';
import { startServer } from '../lib/server.ts';
import { faultsOf, type LoadOutcome, runLoad } from './load.ts';

const CLIENTS = ['--mode', 'single_e2e', '--clients', '5000', '--msg-interval-ms', '3000', '--connect-rate', '2000', '--warm-up', '5'];
const BUDGET_MS = { spread: 100, burst: 950 };

interface Repeated {
  readonly runs: readonly LoadOutcome[];
}

interface Found {
  readonly bestPerSec?: number;
}

/** 5,000 clients in pairs, one message each per 3 s, a minute, three times; then the highest rate that still holds p99 ≤ 800 ms. */
export async function clients(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const model of ['spread', 'burst'] as const) {
    const server = await startServer();
    const { runs } = await runLoad<Repeated>(server, [...CLIENTS, '--duration', '60', '--repeats', '3', '--send-model', model]);
    await server.stop();
    for (const [i, run] of runs.entries()) {
      const { p50, p99, max } = run.latency.e2e!;
      const name = `5,000 clients, ${model}, run ${i + 1}`;
      figures.push({ name: `${name}: lost, doubled, reordered, refused`, value: faultsOf(run), unit: '', budget: { atMost: 0 } });
      figures.push({
        name: `${name}: e2e p99`,
        value: p99,
        unit: 'ms',
        budget: { atMost: BUDGET_MS[model] },
        note: `p50 ${p50}, max ${max}`,
      });
    }
  }
  const server = await startServer();
  const { bestPerSec = 0 } = await runLoad<Found>(server, [...CLIENTS, '--duration', '10', '--find-max-p99-ms', '800']);
  await server.stop();
  return [...figures, { name: '5,000 clients, spread: highest rate that holds e2e p99 of 800 ms', value: bestPerSec, unit: 'messages/s' }];
}
