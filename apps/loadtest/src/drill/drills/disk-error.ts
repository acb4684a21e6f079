import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningService } from '@gapless/launch';
import type { Drill, DrillContext, DrillResult } from '../drill.ts';
import { missingForCell, runInCell } from '../means/cell.ts';
import { missingFuse, mountFailingDisk } from '../means/failing-disk.ts';
import { atWork } from '../means/progress.ts';
import { inWords } from '../means/tools.ts';
import { perform } from '../stage.ts';

const DISK_BYTES = 256 * 2 ** 20;
const ROUNDS = 3;
const WORK_MS = 2_000;
const STOP_WITHIN_MS = 30_000;
const POLL_MS = 20;

export const diskError: Drill = {
  name: 'disk-error',
  what: 'The device under a server refuses every write: the server stops, and on a device that works it has all that was acked.',
  missing: async () => inWords(missingForCell('mkfs.ext4', 'nbdkit', 'nbdfuse'), missingFuse()),
  run: (context) => runInCell(import.meta.url, context),
};

export async function inside(context: DrillContext): Promise<DrillResult> {
  const disk = await mountFailingDisk(join(context.dir, 'disk'), DISK_BYTES);
  return perform(context, {
    cluster: { nodes: 1, store: 'sqlite', broker: 'memory', settings: { 'data-dir': disk.folder }, mayEnd: true },
    async fault(stage) {
      const { cluster, log, note, broken, healed } = stage;
      const node = cluster.nodes[0]!;
      for (let round = 1; round <= ROUNDS; round++) {
        await atWork(stage);
        await sleep(WORK_MS);
        disk.fail();
        const stoppedMs = await ended(node);
        if (stoppedMs === undefined) broken(`the server still runs ${STOP_WITHIN_MS / 1_000} s after its disk began to fail`);
        else note(`the server stopped ${stoppedMs} ms after its disk began to fail`);
        await node.kill();
        disk.repair();
        await node.start();
        log(`disk failure ${round} of ${ROUNDS}`);
      }
      healed();
    },
  });
}

/** How long it took to end by itself; undefined when it did not. */
async function ended(service: RunningService): Promise<number | undefined> {
  const [pid, startedAt] = [service.pid(), performance.now()];
  while (runs(pid)) {
    if (performance.now() - startedAt > STOP_WITHIN_MS) return undefined;
    await sleep(POLL_MS);
  }
  return Math.round(performance.now() - startedAt);
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
