import { type RunningService, startNats } from '@gapless/testkit';
import { type BusVariant, busContract, readNatsEvents } from '@gapless/testkit/contract';
import { afterAll, describe, test } from 'vitest';
import { openNatsBus } from './index.ts';

const nats = await startNats({ jetStream: true });

if ('reason' in nats) test('EventBus / NATS JetStream', (ctx) => ctx.skip(nats.reason));
else describe('a real server', () => suite(nats));

function suite(server: RunningService): void {
  afterAll(() => server.remove());
  const variant: BusVariant = {
    open: () => openNatsBus({ url: server.url }),
    read: (source, count) => readNatsEvents(server.url, source, count),
    server: () => server,
  };
  busContract('NATS JetStream', variant);
}
