import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { LaunchedServer } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { metric, startCluster, stopAll } from './cluster.ts';
import { overEach } from './nodes.ts';
import { expectSame, Person, progress } from './person.ts';

// Goal: several processes serve one port of a machine. Method: two real nodes on it; the kernel chooses for each connection.

/** So many that the chance of all on one process is one in 500,000. */
const NAMES = Array.from({ length: 20 }, (_, i) => `user${i}`);

await overEach(['redis'], ({ env }) => {
  test('two processes on one port both get connections, and are one chat', async (context) => {
    context.skip(process.platform !== 'linux', 'the kernel spreads connections over one port on Linux only');
    const port = await unusedPort();
    const cluster = await startCluster({ nodes: 2, env: { ...env, GAPLESS_REUSE_PORT: 'on' }, port });
    const [{ url }, other] = cluster.nodes as [LaunchedServer, LaunchedServer];
    expect(other.url).toBe(url);
    const cid = await cluster.group(...NAMES);
    const people = NAMES.map((name) => new Person({ name, cid, nodes: [{ url }], window: 1 }));
    for (const person of people) person.talk();
    await progress(people, 5);
    // Whichever of the two answers: what it does not have, the other has.
    const connections = await metric({ url }, 'gapless_ws_connections');
    expect(connections).toBeGreaterThan(0);
    expect(connections).toBeLessThan(NAMES.length);
    for (const person of people) await person.hush();
    await expectSame(people, [{ url }]);
    for (const person of people) await person.leave();
    await stopAll(cluster.nodes);
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
