import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './tools.ts';

/** A file system on a device that can be made to fail. For processes with mounts of their own (cell.ts). */
export interface FailingDisk {
  readonly folder: string;
  /** From now on the device refuses every write: what waits in memory never gets there, and an fsync says so once. */
  fail(): void;
  /** Mounts it again, on a device that works. No process may still hold a file on it. */
  repair(): void;
}

const FUSE = '/dev/fuse';
const POLL_MS = 20;

/** Makes an ext4 of this size in a file beside `folder`, on a device of nbdkit's, and mounts it there. */
export async function mountFailingDisk(folder: string, bytes: number): Promise<FailingDisk> {
  const [image, device, trigger] = [`${folder}.ext4`, `${folder}.device`, `${folder}.fails`];
  for (const file of [image, device]) writeFileSync(file, '');
  truncateSync(image, bytes);
  run('mkfs.ext4', '-q', '-F', image);
  const failing = ['error-pwrite=EIO', 'error-pwrite-rate=100%', `error-pwrite-file=${trigger}`];
  const served = ['nbdkit', '--exit-with-parent', '--filter=error', 'file', image, ...failing];
  const nbdfuse = spawn('nbdfuse', [device, '[', ...served, ']'], { stdio: 'ignore' });
  const gone = once(nbdfuse, 'exit').then(() => Promise.reject(new Error('nbdfuse ended')));
  // Later it ends with the cell.
  gone.catch(() => {});
  while (statSync(device).size === 0) await Promise.race([sleep(POLL_MS), gone]);
  mkdirSync(folder, { recursive: true });
  const mount = () => run('mount', '-o', 'loop', device, folder);
  mount();
  return {
    folder,
    fail: () => writeFileSync(trigger, ''),
    repair() {
      run('umount', folder);
      rmSync(trigger);
      mount();
    },
  };
}

export function missingFuse(): string[] {
  try {
    accessSync(FUSE, constants.R_OK | constants.W_OK);
    return [];
  } catch {
    return [`the device ${FUSE}`];
  }
}
