import { type RunningService, startKafka } from '@gapless/testkit';
import { type BusVariant, busContract, readKafkaEvents } from '@gapless/testkit/contract';
import { afterAll, describe, test } from 'vitest';
import { openKafkaBus } from './index.ts';

const kafka = await startKafka();

if ('reason' in kafka) test('EventBus / Kafka', (ctx) => ctx.skip(kafka.reason));
else describe('a real server', () => suite(kafka));

function suite(server: RunningService): void {
  afterAll(() => server.remove());
  const variant: BusVariant = {
    open: () => openKafkaBus({ url: server.url }),
    read: (source, count) => readKafkaEvents(server.url, source, count),
    server: () => server,
  };
  busContract('Kafka', variant);
}
