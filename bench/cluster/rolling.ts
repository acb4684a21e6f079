import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../lib/report.ts';
import { startBalancer } from './balancer.ts';
import { Cluster } from './cluster.ts';
import type { Ends } from './ends.ts';
import type { Part } from './part.ts';
import { Crowd, type Seen } from './people.ts';
import { broker, postgres } from './services.ts';

const NODES = 5;
const PEOPLE = { full: 300, quick: 60 };
const SEND_EVERY_MS = 2_000;
/** Before, between and after what happens to the nodes. */
const CALM_MS = 5_000;
/** As in production, so that not all clients of a node return at once. */
const ENV = { GAPLESS_DRAIN_SPREAD_MS: '2000' };

/**
 * SDK clients behind a load balancer, as in production, send on and on. Every node is replaced, one after the other; then one is killed
 * and its clients go on elsewhere.
 */
export async function rolling({ quick, ends }: { quick: boolean; ends: Ends }): Promise<Part> {
  const [database, bus] = [await postgres(ends), await broker('redis', ends)];
  const cluster = await Cluster.start({ nodes: NODES, store: await database.createDatabase(), broker: bus.url, env: ENV }, ends);
  const balancer = ends.add(await startBalancer(cluster.urls), (started) => started.close());
  const gather = async () => {
    const people = PEOPLE[quick ? 'quick' : 'full'];
    return ends.add(await Crowd.start({ url: balancer.url, people, groupSize: 20 }), (crowd) => crowd.close());
  };
  const deploy = await during(await gather(), () => replaceAll(cluster));
  const crash = await during(await gather(), () => cluster.kill(NODES - 1));
  return {
    figures: [...figures('rolling restart', deploy), ...figures('kill -9 of one node', crash)],
    details: { deploy, crash, versions: { postgres: database.version, redis: bus.version } },
  };
}

async function during(crowd: Crowd, happens: () => Promise<void>): Promise<Seen> {
  crowd.send(SEND_EVERY_MS);
  await sleep(CALM_MS);
  await happens();
  await sleep(CALM_MS);
  return crowd.finish();
}

async function replaceAll(cluster: Cluster): Promise<void> {
  for (let node = 0; node < NODES; node++) {
    const startedAt = performance.now();
    const status = await cluster.end(node);
    if (status !== 0) throw new Error(`node ${node} ended with ${status}`);
    await cluster.again(node);
    console.error(`  node ${node} was replaced in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  }
}

function figures(name: string, seen: Seen): Figure[] {
  const none = { unit: '', budget: { atMost: 0 } };
  const failed = Object.values(seen.failed).reduce((sum, count) => sum + count, 0);
  return [
    { name: `${name}: failed sends`, value: failed + seen.unanswered, note: `of ${seen.sends}`, ...none },
    { name: `${name}: saved messages lost`, value: seen.lost, ...none },
    { name: `${name}: missed by a member`, value: seen.missed, ...none },
    { name: `${name}: shown twice`, value: seen.repeated, ...none },
    { name: `${name}: out of order`, value: seen.reordered, ...none },
    { name: `${name}: slowest send`, value: seen.slowestMs, unit: 'ms' },
    { name: `${name}: reconnects`, value: seen.reconnects, unit: '', budget: { atLeast: 1 } },
  ];
}
