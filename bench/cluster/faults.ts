import { setTimeout as sleep } from 'node:timers/promises';
import { type LossyProxy, type RunningService, startLossyNats, startLossyRedis } from '@gapless/testkit';
import { Cluster } from './cluster.ts';
import type { Ends } from './ends.ts';
import { detailsOf, errorsOf, promises, startLoad } from './load.ts';
import type { Part } from './part.ts';
import { broker, postgres } from './services.ts';

const NODES = 5;
const SHARE = 0.05;
const SEED = 20_261_121;
const OUTAGE_MS = 10_000;
const LOAD = { full: '--clients 1000 --duration 70', quick: '--clients 200 --duration 40' };
const BEFORE_MS = { full: 20_000, quick: 8_000 };

/** The broker loses one message in twenty all the while, is gone for ten seconds, and is started again. Nobody misses, repeats or reorders. */
export async function faults(kind: 'redis' | 'nats', { quick, ends }: { quick: boolean; ends: Ends }): Promise<Part> {
  const size = quick ? 'quick' : 'full';
  const [database, bus] = [await postgres(ends), await broker(kind, ends)];
  const start = kind === 'redis' ? startLossyRedis : startLossyNats;
  const lossy = ends.add(await start({ target: bus, share: 0, seed: SEED }), (proxy) => proxy.remove());
  const cluster = await Cluster.start({ nodes: NODES, store: await database.createDatabase(), broker: lossy.url }, ends);
  lossy.setShare(SHARE);
  const load = startLoad(cluster.urls, `--mode group --group-size 20 --msg-interval-ms 2000 --connect-rate 500 ${LOAD[size]}`, {
    check: true,
    ends,
  });
  await load.underWay;
  await sleep(BEFORE_MS[size]);
  await outage(lossy, bus);
  const outcome = await load.outcome;
  const name = `broker ${kind}, 5 % lost, gone for 10 s`;
  return {
    figures: [
      ...promises(name, outcome),
      { name: `${name}: errors that clients saw`, value: errorsOf(outcome), unit: '', budget: { atMost: 0 } },
      { name: `${name}: notices lost`, value: lossy.dropped, unit: '', budget: { atLeast: 1 } },
      { name: `${name}: e2e p99`, value: outcome.latency.e2e!.p99, unit: 'ms' },
      { name: `${name}: e2e max`, value: outcome.latency.e2e!.max, unit: 'ms' },
    ],
    details: { ...detailsOf(outcome), repairs: await cluster.metrics(/repair|broker/) },
  };
}

/** Killed, so that it keeps nothing that was on its way. */
async function outage(lossy: LossyProxy, bus: RunningService): Promise<void> {
  console.error('  the broker goes');
  await Promise.all([lossy.stop(), bus.kill()]);
  await sleep(OUTAGE_MS);
  await bus.start();
  await lossy.start();
  console.error('  the broker is back');
}
