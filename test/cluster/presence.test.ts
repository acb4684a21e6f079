import type { LaunchedServer } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { startCluster, stopAll, until } from './cluster.ts';
import { overEach } from './nodes.ts';

// Goal: a user is online while any device is, on any node, and everybody hears of it once. Method: two real nodes with Redis; the watcher
// is on one of them.

await overEach(['redis'], ({ env }) => {
  test('two devices on two nodes: offline is told once, when the last has left', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const [here, there] = cluster.nodes as [LaunchedServer, LaunchedServer];
    await cluster.group('ada', 'bo');
    const bo = await cluster.connect(there, 'bo');
    bo.send({ t: 'presence', watch: ['ada'] });
    await bo.wait('presence', ({ user, state }) => user === 'ada' && state === 'offline');
    const phone = await cluster.connect(here, 'ada', { device: 'phone' });
    await bo.wait('presence', ({ state }) => state === 'online');
    const desk = await cluster.connect(there, 'ada', { device: 'desk' });
    await desk.settle();
    await phone.close();
    // Whoever comes now and asks is told what holds: online, by the other device.
    const late = await cluster.connect(here, 'bo', { device: 'late' });
    late.send({ t: 'presence', watch: ['ada'] });
    expect(await late.wait('presence')).toMatchObject({ user: 'ada', state: 'online' });
    await desk.close();
    for (const client of [bo, late]) {
      await until(() => states(client).slice(1).includes('offline'), 'offline is told');
      await client.settle();
    }
    expect(states(bo)).toEqual(['offline', 'online', 'offline']);
    expect(states(late)).toEqual(['online', 'offline']);
    await stopAll(cluster.nodes);
  });

  test('the node that holds a user is killed: offline is told once, when its lease is over', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const [here, there] = cluster.nodes as [LaunchedServer, LaunchedServer];
    await cluster.group('cy', 'dee');
    const cy = await cluster.connect(here, 'cy');
    const dee = await cluster.connect(there, 'dee');
    dee.send({ t: 'presence', watch: ['cy'] });
    await dee.wait('presence', ({ state }) => state === 'online');
    const told = states(dee).length;
    await here.kill();
    await cy.closed;
    await until(() => states(dee).slice(told).includes('offline'), 'offline is told');
    await dee.settle();
    // The answer to `watch` may be behind the news that it already has in it.
    const [first, ...rest] = states(dee).slice(told);
    expect(first === 'online' ? rest : [first, ...rest]).toEqual(['offline']);
    await stopAll([there]);
  });
});

const states = (client: Awaited<ReturnType<Awaited<ReturnType<typeof startCluster>>['connect']>>) =>
  client.of('presence').map(({ state }) => state);
