import { startPostgres } from '@gapless/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { messages, range } from '../conformance/world.ts';
import { startCluster, until } from './cluster.ts';
import { overEach } from './nodes.ts';
import { expectSame, peopleOn, progress } from './person.ts';

// Goal: a database that dies is an outage with an end, and nothing acked goes with it. Method: a PostgreSQL of this file alone is killed
// while people on two nodes talk, and started again.

const NAMES = ['ada', 'bo', 'cy', 'dee'];

await overEach(['redis', 'nats'], ({ env }) => {
  test('the database is killed while people talk: sends are refused or acked, the nodes say so, and all is well by itself', async () => {
    const postgres = await startPostgres();
    if ('reason' in postgres) throw new Error(postgres.reason);
    onTestFinished(() => postgres.remove());
    const cluster = await startCluster({ nodes: 2, env, store: await postgres.createDatabase() });
    const cid = await cluster.group(...NAMES, 'eve', 'fay');
    const people = peopleOn(cluster.nodes, cid, NAMES);
    const listener = await cluster.connect(cluster.nodes[0]!, 'eve');
    await listener.join(cid);
    const late = await cluster.connect(cluster.nodes[1]!, 'fay');
    for (const person of people) person.talk();
    await progress(people, 20);
    await postgres.kill();
    await until(() => people.every(({ refused }) => refused.includes('store_unavailable')), 'everybody is told that the store is away');
    for (const { url } of cluster.nodes) {
      await until(async () => (await readiness(url)).status === 503, 'the node is not ready');
      expect((await readiness(url)).checks.store).toBe('store_unavailable');
      expect((await fetch(`${url}/livez`)).status).toBe(200);
    }
    late.send({ t: 'sync', convs: [{ cid, since: 0 }] });
    expect(await late.wait('error')).toMatchObject({ code: 'store_unavailable', ref: { t: 'sync' } });
    await postgres.start();
    for (const { url } of cluster.nodes) await until(async () => (await readiness(url)).status === 200, 'the node is ready again');
    await progress(people, 20);
    for (const person of people) await person.hush();
    await expectSame(people, cluster.nodes);
    const total = people.reduce((sum, { acked }) => sum + acked.size, 0);
    // Also who did nothing but listen, and who joins again.
    await late.join(cid, { since: 0 });
    for (const client of [listener, late]) {
      await client.wait('message', ({ seq }) => seq === total);
      expect(messages(client, cid).map(({ seq }) => seq)).toEqual(range(1, total));
    }
    for (const person of people) await person.leave();
    for (const node of cluster.nodes) expect(await node.stop()).toBe(0);
  });
});

async function readiness(url: string): Promise<{ status: number; checks: Record<string, string> }> {
  const response = await fetch(`${url}/readyz`);
  const { checks } = (await response.json()) as { checks: Record<string, string> };
  return { status: response.status, checks };
}
