import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '@gapless/kit';
import type { RunningService } from '@gapless/launch';
import type { Drill, DrillContext, DrillResult } from '../drill.ts';
import { missingForCell, runInCell } from '../means/cell.ts';
import { type CuttableDisk, mountCuttableDisk, tryCut } from '../means/mount.ts';
import { atWork } from '../means/progress.ts';
import { inWords, missingAbility } from '../means/tools.ts';
import { perform, type Stage } from '../stage.ts';

export const DISK_BYTES = 256 * 2 ** 20;
export const CUTS = 5;
/** Before each cut the server works for up to this long. */
const WORK_MAX_MS = 3_000;

export const powerCut: Drill = {
  name: 'power-cut',
  what: `The power of a server fails ${CUTS} times under load: what was not on the disk is gone, and nothing acked is among it.`,
  missing: async () => inWords(missingForCut()),
  run: (context) => runInCell(import.meta.url, context),
};

export function missingForCut(): string[] {
  const missing = missingForCell('mkfs.ext4', 'python3');
  return missing.length > 0 ? missing : missingAbility('a loop-mounted ext4 that can be shut down', tryCut);
}

export function inside(context: DrillContext): Promise<DrillResult> {
  const disk = mountCuttableDisk(join(context.dir, 'disk'), DISK_BYTES);
  return perform(context, {
    cluster: { nodes: 1, store: 'sqlite', broker: 'memory', settings: { 'data-dir': disk.folder }, mayEnd: true },
    fault: (stage) => cutAgainAndAgain(stage, { disk, service: stage.cluster.nodes[0]!, seed: context.options.seed }),
  });
}

/** What had its files on the disk is ended right after the cut, and started again on what was left. */
export async function cutAgainAndAgain(
  stage: Stage,
  { disk, service, seed }: { disk: CuttableDisk; service: RunningService; seed: number },
): Promise<void> {
  const random = seededRandom(seed);
  for (let cut = 1; cut <= CUTS; cut++) {
    await atWork(stage);
    await sleep(random() * WORK_MAX_MS);
    disk.cut();
    await service.kill();
    disk.restart();
    await service.start();
    stage.log(`power cut ${cut} of ${CUTS}`);
  }
  stage.healed();
}
