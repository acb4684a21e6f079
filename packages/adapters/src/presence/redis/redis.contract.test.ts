import { startProxy, startRedis } from '@gapless/testkit';
import { type PresenceCluster, presenceContract, presenceFaultContract } from '@gapless/testkit/contract';
import { afterAll } from 'vitest';
import { openRedisPresence } from './index.ts';

/** Long enough for a busy machine to renew in time, short enough to wait for its end. */
const SHORT_LEASE_MS = 2_400;

const redis = await startRedis();
if ('reason' in redis) {
  presenceContract('redis', redis.reason);
  presenceFaultContract('redis', redis.reason);
} else {
  const service = redis;
  afterAll(() => service.remove());

  async function open(leaseMs: number): Promise<PresenceCluster> {
    await service.stop();
    await service.start();
    const links = await Promise.all([startProxy(() => service.port), startProxy(() => service.port)]);
    const nodes = await Promise.all(
      links.map(({ port }, i) => openRedisPresence({ url: `redis://127.0.0.1:${port}`, node: `node ${i}`, leaseMs, graceMs: 100 })),
    );
    return {
      nodes,
      faults: {
        leaseMs,
        cut: (node) => links[node]!.cut(),
        mend: (node) => links[node]!.restore(),
        down: () => service.kill(),
        up: () => service.start(),
        hang: () => service.pause(),
        wake: () => service.resume(),
      },
      async close() {
        await Promise.all(nodes.map((node) => node.close()));
        await Promise.all(links.map((link) => link.close()));
      },
    };
  }

  presenceContract('redis', () => open(30_000));
  presenceFaultContract('redis', () => open(SHORT_LEASE_MS));
}
