import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from './cluster.ts';
import type { Ends } from './ends.ts';
import { detailsOf, errorsOf, promises, startLoad } from './load.ts';
import type { Part } from './part.ts';
import { broker, postgres } from './services.ts';

const NODES = 5;
const SOCKETS = { full: 50_000, quick: 2_000 };
const SETTLE_MS = 5_000;
const WARM = '--mode group --group-size 20 --clients 500 --senders 1 --msg-interval-ms 5000 --duration 5';

/** So many sockets on five processes of one machine, in conversations of 1,000; each conversation gets one message. */
export async function sockets({ quick, ends }: { quick: boolean; ends: Ends }): Promise<Part> {
  const count = SOCKETS[quick ? 'quick' : 'full'];
  const [database, bus] = [await postgres(ends), await broker('redis', ends)];
  const cluster = await Cluster.start({ nodes: NODES, store: await database.createDatabase(), broker: bus.url }, ends);
  const startedBytes = cluster.rssBytes();
  // What the first connections cost once (code, caches) is not what the next ones cost.
  await startLoad(cluster.urls, WARM, { check: false, ends }).outcome;
  await sleep(SETTLE_MS);
  const warmBytes = cluster.rssBytes();
  const flags = `--mode group --group-size 1000 --clients ${count} --senders 1 --connect-rate 500 --msg-interval-ms 30000 --duration 30`;
  const load = startLoad(cluster.urls, flags, { check: false, ends });
  await load.underWay;
  const joinedBytes = cluster.rssBytes();
  const outcome = await load.outcome;
  const name = `${count.toLocaleString('en')} sockets`;
  return {
    figures: [
      ...promises(name, outcome),
      { name: `${name}: received`, value: outcome.delivered, unit: '', budget: { atLeast: count } },
      { name: `${name}: errors`, value: errorsOf(outcome), unit: '', budget: { atMost: 0 } },
      { name: `${name}: RSS per connection, from servers just started`, value: (joinedBytes - startedBytes) / count / 1_024, unit: 'KiB' },
      { name: `${name}: the same, from warm servers`, value: (joinedBytes - warmBytes) / count / 1_024, unit: 'KiB' },
      { name: `${name}: RSS of all nodes`, value: joinedBytes / 2 ** 20, unit: 'MiB' },
      { name: `${name}: RSS of all nodes, most`, value: outcome.server?.rssMaxMiB ?? Number.NaN, unit: 'MiB' },
      { name: `${name}: e2e p99`, value: outcome.latency.e2e!.p99, unit: 'ms' },
    ],
    details: detailsOf(outcome),
  };
}
