import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import type { DrillContext } from '../drill.ts';
import { layCable } from './cable.ts';
import { openFence } from './fence.ts';
import { mountCuttableDisk, mountSmallDisk } from './mount.ts';
import { openNamespace } from './namespace.ts';
import { run } from './tools.ts';

// What the tests do inside of cells; which scene it is stands where a drill has its seed.

const MiB = 2 ** 20;

/** Numbers of the scenes. */
export const FULL = 0;
export const POWER_CUT = 1;
export const NETWORK = 2;

export async function inside({ dir, log, options }: DrillContext): Promise<unknown> {
  log(`a network of its own: ${run('ip', '-brief', 'link').trim().split('\n').length === 1 ? 'yes' : 'no'}`);
  const scenes = [full, powerCut, network];
  return { notes: await scenes[options.seed]!(dir) };
}

const attempt = (action: () => void): string => {
  try {
    action();
    return 'written';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code!;
  }
};

/** Writes until nothing fits, frees, and writes again. */
function full(dir: string): string[] {
  const disk = mountSmallDisk(join(dir, 'small'), MiB);
  disk.fill(MiB / 2);
  const write = (name: string, bytes: number) => attempt(() => writeFileSync(join(disk.folder, name), Buffer.alloc(bytes)));
  const notes = [write('a', MiB / 4), write('b', MiB / 2)];
  disk.free();
  return [...notes, write('b', MiB / 2)];
}

function powerCut(dir: string): string[] {
  const disk = mountCuttableDisk(join(dir, 'disk'), 16 * MiB);
  const synced = join(disk.folder, 'synced');
  const late = join(disk.folder, 'late');
  writeFileSync(synced, 'synced');
  run('sync', synced);
  writeFileSync(late, 'late');
  disk.cut();
  const notes = [attempt(() => writeFileSync(synced, 'x'))];
  disk.restart();
  return [...notes, readFileSync(synced, 'utf8'), existsSync(late) ? 'late is there' : 'late is gone'];
}

const CALLER = `
const [address, ...ports] = process.argv.slice(1);
for (const port of ports) require('node:net').connect(Number(port), address, () => console.log(port));
`;

/** Two servers and one caller at the other end of a cable; its packets to the first are dropped, then no longer. */
async function network(): Promise<string[]> {
  const namespace = await openNamespace();
  const cable = layCable(namespace, 1);
  const servers = [createServer(), createServer()].map((server) => server.listen(0, cable.here));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const [first, second] = servers.map((server) => (server.address() as AddressInfo).port) as [number, number];
  const fence = openFence(namespace, cable);
  fence.cut([{ address: cable.here, port: first }], 'out');
  const [enter, ...where] = namespace.prefix;
  const caller = spawn(enter!, [...where, process.execPath, '-e', CALLER, cable.here, String(first), String(second)]);
  const connected = async () => (Number((await once(caller.stdout, 'data'))[0]) === first ? 'first' : 'second');
  const notes = [await connected()];
  notes.push(fence.heal()[0]! > 0 ? 'dropped' : 'nothing was dropped');
  notes.push(await connected());
  // The rest is left to the end of the cell.
  return notes;
}
