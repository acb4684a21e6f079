import { startKafka } from '@gapless/testkit';
import { Admin } from '@platformatic/kafka';
import { expect, test } from 'vitest';
import { onServer } from '../server.test-util.ts';
import { openKafkaBroker } from './index.ts';

const reason = 'the same road as with one topic for all rooms; each takes a restart of Kafka';
const skip = [
  { test: 'publishing and checking reject; then restored is called, and every topic is listened to again; also the second time', reason },
  { test: 'closing during an outage ends at once what waits', reason },
];

onServer(
  'kafka',
  await startKafka(),
  {
    kafka: { open: (url) => openKafkaBroker({ url }) },
    'kafka, a topic for each room': { open: (url) => openKafkaBroker({ url, topicTemplate: 'rt.room.{room}.v1' }), skip },
  },
  (server) => {
    test('reading that ends is begun again, and the watchers are told', async () => {
      const broker = await openKafkaBroker({ url: server.url });
      const admin = new Admin({ clientId: 'test', bootstrapBrokers: [server.url.replace('kafka://', '')] });
      const topic = { kind: 'cluster', name: 'notices' } as const;
      let heard = Promise.withResolvers<string>();
      await broker.subscribe(topic, (payload) => heard.resolve(payload));
      await broker.publish(topic, 'one');
      expect(await heard.promise).toBe('one');
      const restarted = new Promise<unknown>((resolve) => broker.watch({ restarted: resolve }));
      await admin.deleteTopics({ topics: ['gapless.v1'] });
      expect(await restarted).toBeInstanceOf(Error);
      heard = Promise.withResolvers();
      await broker.publish(topic, 'two');
      expect(await heard.promise).toBe('two');
      await Promise.all([broker.close(), admin.close()]);
    });
  },
);
