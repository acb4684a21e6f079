import { type LossyProxy, startLossyNats, startLossyRedis } from '@gapless/testkit';
import { afterAll, test } from 'vitest';
import { metric, startCluster, stopAll, until } from './cluster.ts';
import { overEach } from './nodes.ts';
import { catchUp, expectSame, peopleOn, progress } from './person.ts';

// Goal: a broker that is gone, or that loses much, costs time and nothing else. Method: people on two nodes talk all the while; at the end
// what each of them saw is compared with the history, and that with all acks.

const NAMES = ['ada', 'bo', 'cy', 'dee'];

await overEach(['redis', 'nats', 'kafka'], ({ server, env }) => {
  test('the broker stops and comes back while people talk', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const cid = await cluster.group(...NAMES);
    const people = peopleOn(cluster.nodes, cid, NAMES);
    for (const person of people) person.talk();
    await progress(people, 20);
    await server.stop();
    // Acks do not wait for it, and what the other node saved comes from the store.
    await progress(people, 20);
    await catchUp(people);
    await progress(people, 20);
    await catchUp(people);
    await server.start();
    for (const node of cluster.nodes)
      await until(async () => (await metric(node, 'gapless_broker_restored_total')) >= 1, 'the node says that the broker is back');
    await progress(people, 20);
    for (const person of people) await person.hush();
    await expectSame(people, cluster.nodes);
    for (const person of people) await person.leave();
    await stopAll(cluster.nodes);
  });
});

const LOSSY = { redis: startLossyRedis, nats: startLossyNats };

await overEach(['redis', 'nats'], ({ server }, name) => {
  test.each([0.05, 0.3])('of what the nodes tell each other, a share of %s is lost', async (share) => {
    const lossy: LossyProxy = await LOSSY[name as keyof typeof LOSSY]({ target: server, share, seed: 7 });
    afterAll(() => lossy.remove());
    const cluster = await startCluster({ nodes: 2, env: { GAPLESS_BROKER: lossy.url } });
    const cid = await cluster.group(...NAMES);
    const people = peopleOn(cluster.nodes, cid, NAMES);
    for (const person of people) person.talk();
    await progress(people, 100);
    const missed = async () => Math.min(...(await Promise.all(cluster.nodes.map((node) => metric(node, 'gapless_cluster_missed_total')))));
    await until(async () => (await missed()) > 0, 'each node missed something');
    for (const person of people) await person.hush();
    await expectSame(people, cluster.nodes);
    for (const person of people) await person.leave();
    await stopAll(cluster.nodes);
  });
});
