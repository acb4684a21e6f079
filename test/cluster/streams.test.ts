import { type LaunchedServer, SseClient, signToken } from '@gapless/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { startCluster, stopAll } from './cluster.ts';
import { overEach } from './nodes.ts';

// Goal: the requests of an event stream may reach any node. Method: a stream on one real node, its frames posted to the other.

async function open({ url }: LaunchedServer, user: string): Promise<SseClient> {
  const stream = await SseClient.open({ url, headers: { authorization: `Bearer ${await signToken(user)}` } });
  onTestFinished(() => stream.cut());
  await stream.wait('ready');
  return stream;
}

async function post({ url }: LaunchedServer, conn: string, frames: unknown, token?: string): Promise<number> {
  const response = await fetch(`${url}/sse/${conn}/frames`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(frames),
  });
  return response.status;
}

await overEach(['redis', 'nats', 'kafka'], ({ env }) => {
  test('frames that reach another node than their stream get there, with the rights of their sender', async () => {
    const cluster = await startCluster({ nodes: 3, env });
    const [here, there, doomed] = cluster.nodes as [LaunchedServer, LaunchedServer, LaunchedServer];
    const cid = await cluster.group('ada', 'bo');
    const ada = await open(here, 'ada');
    const bo = await open(there, 'bo');
    expect(await post(there, ada.conn, { t: 'join', cid })).toBe(202);
    expect(await post(here, bo.conn, [{ t: 'join', cid }], await signToken('bo'))).toBe(202);
    for (const stream of [ada, bo]) await stream.wait('joined');
    const said = (i: number) => ({ t: 'send', cid, mid: `m${i}`, kind: 'text', body: { text: `${i}` } });
    for (let i = 1; i <= 10; i++) expect(await post(i % 2 === 0 ? here : there, ada.conn, [said(2 * i - 1), said(2 * i)])).toBe(202);
    for (const stream of [ada, bo]) {
      await stream.wait('message', ({ seq }) => seq === 20);
      expect(stream.of('message').map(({ mid }) => mid)).toEqual(Array.from({ length: 20 }, (_, i) => `m${i + 1}`));
    }

    expect(await post(there, ada.conn, { t: 'ping' }, await signToken('bo'))).toBe(403);
    expect(await post(there, ada.conn, { t: 'ping' }, 'nonsense')).toBe(401);
    expect(await post(there, `A${ada.conn.slice(1)}` === ada.conn ? `B${ada.conn.slice(1)}` : `A${ada.conn.slice(1)}`, { t: 'ping' })).toBe(
      404,
    );
    expect(await post(there, 'no-conn', { t: 'ping' })).toBe(404);
    const left = await open(doomed, 'ada');
    expect(await post(there, left.conn, { t: 'ping' })).toBe(202);
    await left.wait('pong');
    await doomed.kill();
    expect(await post(there, left.conn, { t: 'ping' })).toBe(404);
    await stopAll([here, there]);
  });
});
