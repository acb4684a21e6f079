import { startRedis } from '@gapless/testkit';
import { createClient } from '@redis/client';
import { expect, onTestFinished, test } from 'vitest';
import { onServer } from '../server.test-util.ts';
import { openRedisBroker } from './index.ts';

onServer(
  'redis',
  await startRedis(),
  { redis: { open: (url) => openRedisBroker({ url }) }, 'redis, sharded': { open: (url) => openRedisBroker({ url, sharded: true }) } },
  ({ url }) => {
    async function open() {
      const broker = await openRedisBroker({ url });
      const client = await createClient({ url }).connect();
      onTestFinished(async () => {
        await broker.close();
        client.destroy();
      });
      return { broker, client };
    }

    test('a room’s channel is named after it, and anybody may read and write there', async () => {
      const { broker, client } = await open();
      const listener = client.duplicate();
      await listener.connect();
      onTestFinished(() => listener.destroy());
      const [theirs, ours]: string[][] = [[], []];
      await listener.subscribe('rt:room:r1', (payload) => theirs!.push(payload));
      await broker.subscribe({ kind: 'room', name: 'r1' }, (payload) => ours!.push(payload));
      await broker.publish({ kind: 'room', name: 'r1' }, 'from us');
      await expect.poll(() => [ours, theirs]).toEqual([['from us'], ['from us']]);
      await client.publish('rt:room:r1', 'from them');
      await expect.poll(() => [ours, theirs]).toEqual(Array(2).fill(['from us', 'from them']));
    });

    test('several listeners are one subscription, which ends with the last', async () => {
      const { broker, client } = await open();
      const topic = { kind: 'user', name: 'ada' } as const;
      const stops = await Promise.all([1, 2, 3].map(() => broker.subscribe(topic, () => {})));
      expect(await client.pubSubNumSub('rt:user:ada')).toEqual({ 'rt:user:ada': 1 });
      for (const stop of stops) stop();
      while (Number((await client.pubSubNumSub('rt:user:ada'))['rt:user:ada']) > 0);
    });

    test('a listening connection that the server cuts is an outage like any other', async () => {
      const { broker, client } = await open();
      const topic = { kind: 'node', name: 'n1' } as const;
      const heard = Promise.withResolvers<string>();
      await broker.subscribe(topic, heard.resolve);
      const restored = new Promise<void>((resolve) => broker.watch({ restored: resolve }));
      await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
      await restored;
      await client.publish('gapless:node:n1', 'again');
      expect(await heard.promise).toBe('again');
    });
  },
);

const frozen = await startRedis();
test('a server that does not answer any more is given up, and taken again when it does', async (ctx) => {
  if ('reason' in frozen) return ctx.skip(frozen.reason);
  onTestFinished(() => frozen.remove());
  const broker = await openRedisBroker({ url: frozen.url });
  const restored = new Promise<void>((resolve) => broker.watch({ restored: resolve }));
  frozen.pause();
  await expect
    .poll(
      () =>
        broker.publish({ kind: 'room', name: 'r1' }, 'x').then(
          () => 'taken',
          () => 'refused',
        ),
      { timeout: 60_000 },
    )
    .toBe('refused');
  frozen.resume();
  await restored;
  await broker.check();
  await broker.close();
});
