import { storeContract } from '@gapless/testkit/contract';
import { test } from 'vitest';
import { emptiedDatabase, openNode, SERVERS, serverOf } from './server.test-util.ts';

for (const which of SERVERS) {
  const server = await serverOf(which);
  if ('reason' in server) test(`Store / postgres of ${which}`, (ctx) => ctx.skip(server.reason));
  else {
    const database = emptiedDatabase(server);
    let url: string;
    storeContract(`postgres ${server.version} of ${which}`, {
      async open() {
        url = await database();
        return openNode(url);
      },
      reopen: () => openNode(url),
    });
  }
}
