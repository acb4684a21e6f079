import { HttpClient, signToken } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { type Cluster, freshDatabase, metric, startCluster, stopAll, until } from './cluster.ts';
import { brokerFor } from './nodes.ts';

// Goal: one's own messages are never unread, on any node, whichever way their positions are written, and after a crash. Method: two nodes,
// a client on one of them, the same user's list from both.

const broker = await brokerFor('redis');

if (broker !== undefined) {
  const { env } = broker;

  test('the setting is changed while running, on all nodes; nobody can tell the two ways apart', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const cid = await cluster.group('ada', 'bo');
    const ada = await cluster.connect(cluster.nodes[0]!, 'ada');
    const bo = await cluster.connect(cluster.nodes[1]!, 'bo');
    for (const client of [ada, bo]) await client.join(cid);
    let sent = 0;
    for (const mode of ['ack', 'send', 'ack']) {
      await change(cluster, mode);
      const before = await batchesWithMembers(cluster);
      for (const client of [ada, bo]) await client.say(cid, `m${++sent}`);
      await bo.wait('message', ({ seq }) => seq === sent - 1);
      await ada.wait('message', ({ seq }) => seq === sent);
      expect([await listed(cluster, 'ada', cid), await listed(cluster, 'bo', cid)]).toEqual([
        [
          [sent, sent - 1],
          [sent, sent - 1],
        ],
        [
          [sent, sent],
          [sent, sent],
        ],
      ]);
      expect((await batchesWithMembers(cluster)) - before).toBe(mode === 'send' ? 2 : 0);
    }
    // Whoever sends is not told, nor tells, that they read it.
    expect([...ada.of('read'), ...bo.of('read')]).toEqual([]);
    await stopAll(cluster.nodes);
  });

  test('what a node did not write before it was killed, the others make good, and so does the next start', async () => {
    const cluster = await startCluster({ nodes: 2, env, store: await freshDatabase() });
    const cid = await cluster.group('ada', 'bo');
    const [dying, other] = cluster.nodes as [Cluster['nodes'][0], Cluster['nodes'][0]];
    const ada = await cluster.connect(dying, 'ada');
    for (const mid of ['a1', 'a2', 'a3']) await ada.say(cid, mid);
    await dying.kill();
    expect(await viewOf(other, 'ada', cid)).toEqual([3, 3]);
    const bo = await cluster.connect(other, 'bo');
    await bo.say(cid, 'b1');
    await until(async () => (await metric(other, 'gapless_cluster_nodes')) === 1, 'the node is taken for dead');
    expect(await viewOf(other, 'ada', cid)).toEqual([4, 3]);
    await other.kill();
    const next = await cluster.add();
    expect(await viewOf(next, 'ada', cid)).toEqual([4, 3]);
    expect(await viewOf(next, 'bo', cid)).toEqual([4, 4]);
  });
}

/** At one node; resolves when all have it. */
async function change(cluster: Cluster, mode: string): Promise<void> {
  const { status } = await (await cluster.backend()).call('PATCH', '/v1/admin/settings', { 'ensure-members': mode });
  expect(status).toBe(200);
  for (const node of cluster.nodes) {
    const backend = await cluster.backend(node);
    await until(async () => {
      const { body } = await backend.call('GET', '/v1/admin/settings');
      return body.items.some((item: { name: string; value: string }) => item.name === 'ensure-members' && item.value === mode);
    }, `ensure-members is ${mode}`);
  }
}

async function batchesWithMembers({ nodes }: Cluster): Promise<number> {
  const counts = await Promise.all(nodes.map((node) => metric(node, 'gapless_ensure_members_seconds_count')));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Head and own position, as each node lists them. */
function listed(cluster: Cluster, user: string, cid: string): Promise<number[][]> {
  return Promise.all(cluster.nodes.map((node) => viewOf(node, user, cid)));
}

async function viewOf({ url }: { url: string }, user: string, cid: string): Promise<number[]> {
  const { body } = await new HttpClient(url, await signToken(user)).call('GET', '/v1/conversations');
  const { head, lastRead, unread } = body.items.find((item: { cid: string }) => item.cid === cid);
  expect(unread).toBe(head - lastRead);
  return [head, lastRead];
}
