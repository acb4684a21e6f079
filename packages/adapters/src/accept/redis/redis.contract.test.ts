import { startRedis } from '@gapless/testkit';
import { ACCEPT_CONTRACT, acceptLogContract } from '@gapless/testkit/contract';
import { afterAll } from 'vitest';
import { openRedisAcceptLog } from './index.ts';

const redis = await startRedis();
if ('reason' in redis) {
  acceptLogContract('redis', redis.reason);
} else {
  afterAll(() => redis.remove());
  let opened = 0;

  acceptLogContract('redis', async () => {
    const { backlogMax } = ACCEPT_CONTRACT;
    // The same Redis for all tests, and other data beside theirs.
    const streamKey = `test [${opened++}]*?`;
    const open = () => openRedisAcceptLog({ url: redis.url, streamKey, ...ACCEPT_CONTRACT });
    const [one, two] = await Promise.all([open(), open()]);
    return {
      one,
      two,
      backlogMax,
      async close() {
        await Promise.all([one.end(), two.end()]);
      },
    };
  });
}
