import { HttpClient, type LaunchedServer, WireClient } from '@gapless/testkit';
import { expect, test } from 'vitest';
import { type Cluster, startCluster, stopAll, until } from './cluster.ts';
import { overEach } from './nodes.ts';

// Goal: what ends a session, or changes a setting, on one node does so on all. Method: two real nodes, asked in turn.

await overEach(['redis', 'nats', 'kafka'], ({ env }) => {
  test('signing out on one node ends the live connection on the other, and its token there', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const [here, there] = cluster.nodes as [LaunchedServer, LaunchedServer];
    const account = { username: 'ada', password: 'correct horse battery' };
    const { body } = await new HttpClient(here.url).call('POST', '/v1/auth/register', account);
    const live = await WireClient.connect({ url: there.url, token: body.accessToken });
    const other = (await new HttpClient(there.url).call('POST', '/v1/auth/login', account)).body.accessToken;
    const stays = await WireClient.connect({ url: there.url, token: other });
    expect((await new HttpClient(there.url, body.accessToken).call('GET', '/v1/me')).status).toBe(200);
    expect((await new HttpClient(here.url, body.accessToken).call('POST', '/v1/auth/logout')).status).toBe(204);
    expect((await live.closed).code).toBe(4403);
    expect(live.frames.at(-1)).toEqual({ t: 'kick', code: 'signed_out', msg: expect.any(String) });
    expect((await new HttpClient(there.url, body.accessToken).call('GET', '/v1/me')).status).toBe(401);
    const again = await WireClient.connect({ url: there.url });
    again.send({ t: 'auth', jwt: body.accessToken });
    expect((await again.closed).code).toBe(4401);
    expect((await new HttpClient(there.url).call('POST', '/v1/auth/refresh', { refreshToken: body.refreshToken })).status).toBe(401);
    await stays.settle();
    await stays.close();
    await stopAll(cluster.nodes);
  });

  test('a setting that is changed on one node holds on the other: one session for each user, wherever it is', async () => {
    const cluster = await startCluster({ nodes: 2, env });
    const [here, there] = cluster.nodes as [LaunchedServer, LaunchedServer];
    const first = await cluster.connect(here, 'bo', { device: 'phone' });
    const second = await cluster.connect(there, 'bo', { device: 'desk' });
    for (const client of [first, second]) await client.settle();
    await set(cluster, here, { 'single-session': 'on' });
    await until(async () => (await settingOf(cluster, there, 'single-session')) === 'on', 'the other node has the setting');
    const third = await cluster.connect(there, 'bo', { device: 'pad' });
    for (const client of [first, second]) {
      expect((await client.closed).code).toBe(4403);
      expect(client.of('kick')).toEqual([{ t: 'kick', code: 'replaced', msg: expect.any(String) }]);
    }
    await third.settle();
    await stopAll(cluster.nodes);
  });
});

async function set(cluster: Cluster, node: LaunchedServer, settings: Record<string, string>): Promise<void> {
  expect((await (await cluster.backend(node)).call('PATCH', '/v1/admin/settings', settings)).status).toBe(200);
}

async function settingOf(cluster: Cluster, node: LaunchedServer, setting: string): Promise<string> {
  const { body } = await (await cluster.backend(node)).call('GET', '/v1/admin/settings');
  return body.items.find(({ name }: { name: string }) => name === setting).value;
}
