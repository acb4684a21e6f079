import { join } from 'node:path';
import type { Drill, DrillContext, DrillResult } from '../drill.ts';
import { runInCell } from '../means/cell.ts';
import { mountCuttableDisk } from '../means/mount.ts';
import { inWords, run } from '../means/tools.ts';
import { missing as missingServices, openPostgres } from '../services.ts';
import { perform } from '../stage.ts';
import { CUTS, cutAgainAndAgain, DISK_BYTES, missingForCut } from './power-cut.ts';

export const powerCutPostgres: Drill = {
  name: 'power-cut-postgres',
  what: `The power of PostgreSQL's machine fails ${CUTS} times under load: nothing acked is gone, and the server goes on by itself.`,
  missing: async () => inWords(missingForCut()) ?? (await missingServices('postgres')),
  run: (context) => runInCell(import.meta.url, context),
};

export async function inside(context: DrillContext): Promise<DrillResult> {
  const disk = mountCuttableDisk(join(context.dir, 'disk'), DISK_BYTES);
  const postgres = await openPostgres(context, { parent: disk.folder });
  const store = await postgres.createDatabase();
  return perform(context, {
    cluster: { nodes: 1, store, broker: 'memory' },
    async fault(stage) {
      // What initdb wrote was never synced.
      run('sync', '-f', disk.folder);
      await cutAgainAndAgain(stage, { disk, service: postgres, seed: context.options.seed });
    },
  });
}
