import { systemClock } from '@gapless/kit';
import { ACCEPT_CONTRACT, acceptLogContract } from '@gapless/testkit/contract';
import { openMemoryAcceptLog } from './index.ts';

acceptLogContract('memory', async () => {
  const server = openMemoryAcceptLog({ clock: systemClock, ...ACCEPT_CONTRACT });
  const [one, two] = [server.connect(), server.connect()];
  const { backlogMax } = ACCEPT_CONTRACT;
  return {
    one,
    two,
    backlogMax,
    async close() {
      await Promise.all([one.end(), two.end()]);
    },
  };
});
