import type { Command } from '@gapless/core';
import { openSqliteStore } from './index.ts';

// A process that commits until it is killed or has done enough: node committer.test-util.ts <path> [<batches>]. Prints `open`, then
// `acked <from> <to>` after each batch, `refused <code>` for a failed one, and `fatal`.

const [path, batches = 'Infinity'] = process.argv.slice(2);
const REFUSALS_MAX = 5;
const fatal = () => console.log('fatal');

try {
  const store = await openSqliteStore({ path: path!, onFatal: fatal });
  console.log('open');
  const participants = [{ uid: 'ann', role: 'owner' as const }];
  await store.commit([{ op: 'create', cid: 'c1', kind: 'group', by: 'ann', at: 1, participants, createUsers: true }]);
  let seq = 0;
  let refusals = 0;
  for (let batch = 0; batch < Number(batches) && refusals < REFUSALS_MAX; batch++) {
    const size = 1 + (batch % 20);
    const commands = Array.from({ length: size }, (_, i) => send(`m${seq + i + 1}`));
    try {
      const commit = store.commit(commands);
      // As in a server: by the time a commit has failed, another write is on its way to the thread.
      store.acquireLease('beside', 'committer', 1_000).catch(() => {});
      await commit;
      console.log(`acked ${seq + 1} ${seq + size}`);
      seq += size;
    } catch (error) {
      console.log(`refused ${(error as { code?: string }).code}`);
      refusals++;
    }
  }
  // As a server whose store failed: nothing is closed.
  process.exit(0);
} catch (error) {
  console.log((error as Error).message);
  process.exitCode = 1;
}

function send(mid: string): Command {
  return { op: 'send', cid: 'c1', mid, from: 'ann', at: 1, kind: 'text', body: `{"text":"${mid}"}`, digest: mid };
}
