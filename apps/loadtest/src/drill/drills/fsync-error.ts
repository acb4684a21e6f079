import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Drill } from '../drill.ts';
import { failSyncs, trySyncFailure } from '../means/sync-failure.ts';
import type { SyncLog } from '../means/sync-log.ts';
import { inWords, missingAbility, missingTools } from '../means/tools.ts';
import { perform, type Stage } from '../stage.ts';

const ROUNDS = 3;
/** Between two of them: it works again, and is in the middle of it. */
const WORK_MS = 2_000;
/** Under load the next fsync is a moment away. */
const STOP_WITHIN_MS = 30_000;

export const fsyncError: Drill = {
  name: 'fsync-error',
  what: 'An fsync fails under load: the server stops at once and never tries it again, and nothing acked is lost when it is started again.',
  async missing() {
    const tools = missingTools('strace');
    return inWords(tools.length > 0 ? tools : missingAbility('errors injected by strace', trySyncFailure));
  },
  run: (context) =>
    perform(context, {
      cluster: { nodes: 1, store: 'sqlite', broker: 'memory', mayEnd: true },
      async fault(stage) {
        for (let round = 1; round <= ROUNDS; round++) {
          await failOnce(stage, join(context.dir, `fsync-${round}.strace`));
          if (round < ROUNDS) await sleep(WORK_MS);
        }
        stage.healed();
      },
    }),
};

async function failOnce(stage: Stage, log: string): Promise<void> {
  const node = stage.cluster.nodes[0]!;
  const failure = await failSyncs(node.pid(), log);
  const seen = await Promise.race([failure.finished, sleep(STOP_WITHIN_MS, undefined, { ref: false })]);
  if (seen === undefined) {
    stage.broken(`the server still runs ${STOP_WITHIN_MS / 1_000} s after its fsyncs began to fail`);
    failure.stop();
  } else judge(stage, seen);
  await node.kill();
  await node.start();
}

function judge({ broken, note }: Stage, { failed, failures, retries, after, exitStatus }: SyncLog): void {
  if (failures === 0) broken('the server ended before an fsync failed: the drill shows nothing');
  if (retries > 0) broken(`${retries} fsyncs of a file after one had failed`);
  if (exitStatus === undefined || exitStatus === 0) broken(`the server ended with status ${exitStatus ?? 'unknown'}`);
  note(
    `fsync of ${failed.map((file) => basename(file)).join(', ')} failed: ${retries} on it and ${after} on others after that, exit status ${exitStatus}`,
  );
}
