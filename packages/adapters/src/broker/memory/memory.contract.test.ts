import { brokerContract } from '@gapless/testkit/contract';
import { expect, test } from 'vitest';
import { MemoryBus, openMemoryBroker } from './index.ts';

const bus = new MemoryBus();

brokerContract('memory', {
  open: async () => openMemoryBroker({ bus }),
  outage: { begin: async () => bus.break(), end: async () => bus.mend() },
});

test('a bus that loses a share loses it for each node apart, and none when told so', async () => {
  const lossy = new MemoryBus();
  const [a, b] = [openMemoryBroker({ bus: lossy }), openMemoryBroker({ bus: lossy })];
  const got: string[] = [];
  await a.subscribe({ kind: 'cluster', name: 'x' }, (payload) => got.push(`a${payload}`));
  await b.subscribe({ kind: 'cluster', name: 'x' }, (payload) => got.push(`b${payload}`));
  const draws = [0.4, 0.6, 0.6, 0.4];
  lossy.lose(0.5, () => draws.shift()!);
  await a.publish({ kind: 'cluster', name: 'x' }, '1');
  await a.publish({ kind: 'cluster', name: 'x' }, '2');
  await Promise.resolve();
  lossy.lose(0, () => 0);
  await a.publish({ kind: 'cluster', name: 'x' }, '3');
  await Promise.resolve();
  expect(got).toEqual(['b1', 'a2', 'a3', 'b3']);
});
