import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '@gapless/kit';
import type { Drill, DrillContext, DrillResult } from '../drill.ts';
import { missingForCell, runInCell } from '../means/cell.ts';
import { mountCuttableDisk } from '../means/mount.ts';
import { inWords } from '../means/tools.ts';
import { perform } from '../stage.ts';

const DISK_BYTES = 256 * 2 ** 20;
const CUTS = 5;
/** Between two cuts the server works for up to this long. */
const WORK_MAX_MS = 3_000;

export const powerCut: Drill = {
  name: 'power-cut',
  what: `The power of a server fails ${CUTS} times under load: what was not on the disk is gone, and nothing acked is among it.`,
  missing: async () => inWords(missingForCell('mkfs.ext4', 'python3')),
  run: (context) => runInCell(import.meta.url, context),
};

export function inside(context: DrillContext): Promise<DrillResult> {
  const disk = mountCuttableDisk(join(context.dir, 'disk'), DISK_BYTES);
  const random = seededRandom(context.options.seed);
  return perform(context, {
    cluster: { nodes: 1, store: 'sqlite', broker: 'memory', settings: { 'data-dir': disk.folder } },
    async fault(stage) {
      const node = stage.cluster.nodes[0]!;
      for (let cut = 1; cut <= CUTS; cut++) {
        await sleep(random() * WORK_MAX_MS);
        disk.cut();
        await node.kill();
        disk.restart();
        await node.start();
        stage.log(`power cut ${cut} of ${CUTS}`);
      }
      stage.healed();
    },
  });
}
