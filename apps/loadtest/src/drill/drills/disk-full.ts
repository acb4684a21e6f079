import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Drill, DrillContext, DrillResult } from '../drill.ts';
import { missingForCell, runInCell } from '../means/cell.ts';
import { mountSmallDisk, type SmallDisk } from '../means/mount.ts';
import { inWords } from '../means/tools.ts';
import { perform, type Stage } from '../stage.ts';
import { READER } from '../workload/crowd.ts';

/** For the messages of a drill of minutes, ten times. */
const DISK_BYTES = 64 * 2 ** 20;
/** Left to the server when the rest is taken: the load fills it within seconds, in the middle of a commit. */
const LEFT_BYTES = 256 * 2 ** 10;
/** The least that SQLite writes. */
const PAGE_BYTES = 4_096;
/** How long nothing fits. */
const FULL_MS = 5_000;
const FULL_WITHIN_MS = 60_000;
const POLL_MS = 50;
/** What the table of errors has for this: tried but not written, and too many waiting. */
const EXPECTED = ['store_unavailable', 'server_busy'];

export const diskFull: Drill = {
  name: 'disk-full',
  what: 'The disk of a server fills up and is freed: sends are refused, history stays readable, and it goes on by itself.',
  missing: async () => inWords(missingForCell()),
  run: (context) => runInCell(import.meta.url, context),
};

export function inside(context: DrillContext): Promise<DrillResult> {
  const disk = mountSmallDisk(join(context.dir, 'small-disk'), DISK_BYTES);
  return perform(context, {
    cluster: { nodes: 1, store: 'sqlite', broker: 'memory', settings: { 'data-dir': disk.folder } },
    async fault(stage) {
      disk.fill(disk.freeBytes() - LEFT_BYTES);
      if (await isFull(stage, disk)) {
        stage.log('the disk is full');
        await sleep(FULL_MS);
        await lookAround(stage);
      } else stage.broken(`the load did not fill the disk within ${FULL_WITHIN_MS / 1_000} s: the drill shows nothing`);
      disk.free();
      stage.healed();
    },
  });
}

/** A send was refused, or, where sends need not wait for the disk, nothing fits any more. */
async function isFull({ crowd }: Stage, disk: SmallDisk): Promise<boolean> {
  const end = performance.now() + FULL_WITHIN_MS;
  while (crowd.acks.refusals.size === 0 && disk.freeBytes() >= PAGE_BYTES) {
    if (performance.now() > end) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** How the server does on a full disk. */
async function lookAround({ cluster, crowd, broken, note }: Stage): Promise<void> {
  const wrong = [...crowd.acks.refusals.keys()].filter((code) => !EXPECTED.includes(code));
  if (wrong.length > 0) broken(`sends on a full disk are answered ${wrong.join(', ')}`);
  const status = async (path: string) => {
    const response = await fetch(`${cluster.urls[0]}${path}`, { headers: { authorization: `Bearer ${cluster.token(READER)}` } });
    await response.body?.cancel();
    return response.status;
  };
  const ready = await status('/readyz');
  if (ready !== 503) broken(`/readyz answers ${ready} on a full disk`);
  for (const cid of crowd.cids) {
    const history = await status(`/v1/conversations/${cid}/messages?limit=200`);
    if (history !== 200) broken(`history on a full disk is answered ${history}`);
  }
  note(`on the full disk history was answered 200 in ${crowd.cids.length} conversations, /readyz ${ready}`);
}
