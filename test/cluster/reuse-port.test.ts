import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { LaunchedServer } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { startCluster, stopAll, until } from './cluster.ts';
import { overEach } from './nodes.ts';
import { expectSame, peopleOn, progress } from './person.ts';

// Goal: several processes serve one port of a machine. Method: two real nodes on it; the kernel chooses for each connection.

await overEach(['redis'], ({ env }) => {
  test('two processes on one port both get connections, and are one chat', async (context) => {
    context.skip(process.platform !== 'linux', 'the kernel spreads connections over one port on Linux only');
    const port = await unusedPort();
    const cluster = await startCluster({ nodes: 2, env: { ...env, GAPLESS_REUSE_PORT: 'on' }, port });
    const [{ url }, other] = cluster.nodes as [LaunchedServer, LaunchedServer];
    expect(other.url).toBe(url);
    // Each question is a connection of its own.
    const starts = new Set<string>();
    await until(async () => {
      const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text();
      starts.add(/^process_start_time_seconds (\S+)/m.exec(text)![1]!);
      return starts.size === 2;
    }, 'both have answered');
    const names = Array.from({ length: 12 }, (_, i) => `user${i}`);
    const cid = await cluster.group(...names);
    const people = peopleOn([cluster.nodes[0]!], cid, names);
    for (const person of people) person.talk();
    await progress(people, 5);
    for (const person of people) await person.hush();
    await expectSame(people, [cluster.nodes[0]!]);
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
