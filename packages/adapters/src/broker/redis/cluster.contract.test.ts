import { once } from 'node:events';
import { createServer } from 'node:net';
import { type NotHere, type RunningService, startRedis } from '@gapless/testkit';
import { createClient, type RedisClientType } from '@redis/client';
import { expect, test } from 'vitest';
import { onServer } from '../server.test-util.ts';
import { channelOf, openRedisBroker } from './index.ts';
import { SLOTS, slotOf } from './slot.ts';

/** Two shards with half of the slots each. Stopped and started together. */
async function startCluster(): Promise<(RunningService & { readonly urls: readonly string[] }) | NotHere> {
  const nodes: RunningService[] = [];
  const busPorts = [await freePort(), await freePort()];
  for (const busPort of busPorts) {
    const settings = { 'cluster-enabled': 'yes', 'cluster-port': String(busPort), 'cluster-node-timeout': '1000' };
    const node = await startRedis({ settings });
    if ('reason' in node) return node;
    nodes.push(node);
  }
  const [a, b] = nodes as [RunningService, RunningService];
  const clients = await Promise.all(nodes.map((node) => createClient({ url: node.url }).connect()));
  const ask = (node: number, ...words: (string | number)[]) => clients[node]!.sendCommand(['CLUSTER', ...words.map(String)]);
  await ask(0, 'ADDSLOTSRANGE', 0, SLOTS / 2 - 1);
  await ask(1, 'ADDSLOTSRANGE', SLOTS / 2, SLOTS - 1);
  await ask(0, 'MEET', '127.0.0.1', b.port, busPorts[1]!);
  for (const client of clients) await served(client as RedisClientType);
  for (const client of clients) client.destroy();
  return {
    ...a,
    urls: nodes.map(({ url }) => url),
    kill: () => Promise.all(nodes.map((node) => node.kill())).then(() => {}),
    start: () => Promise.all(nodes.map((node) => node.start())).then(() => {}),
    remove: () => Promise.all(nodes.map((node) => node.remove())).then(() => {}),
  };
}

/** All slots, seen from this node. */
async function served(client: RedisClientType): Promise<void> {
  while (!(await client.clusterInfo()).includes(`cluster_slots_ok:${SLOTS}`) || !(await client.clusterInfo()).includes('cluster_state:ok'));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

const cluster = await startCluster();

onServer('redis cluster', cluster, { 'redis cluster of two shards': { open: (url) => openRedisBroker({ url, sharded: true }) } }, () => {
  test('each room is listened to at its own shard', async () => {
    const { urls } = cluster as Exclude<typeof cluster, NotHere>;
    const broker = await openRedisBroker({ url: urls[0]!, sharded: true });
    const rooms = Array.from({ length: 20 }, (_, i) => ({ kind: 'room', name: `r${i}` }) as const);
    await Promise.all(rooms.map((topic) => broker.subscribe(topic, () => {})));
    for (const [i, url] of urls.entries()) {
      const client = await createClient({ url }).connect();
      const here = rooms.map(channelOf).filter((channel) => Math.floor(slotOf(channel) / (SLOTS / 2)) === i);
      expect((await client.pubSubShardChannels()).toSorted()).toEqual(here.toSorted());
      client.destroy();
    }
    await broker.close();
  });
});
