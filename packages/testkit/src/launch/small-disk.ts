import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system that is soon full. */
export interface SmallDisk {
  readonly folder: string;
  /** Takes space that `free` gives back. */
  fill(bytes: number): void;
  free(): void;
  freeBytes(): number;
  remove(): void;
}

/** Mounts a tmpfs of this size, or says why that cannot be done here. */
export function mountSmallDisk(bytes: number): SmallDisk | { readonly reason: string } {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    return { reason: `a small tmpfs cannot be mounted here (it takes root on Linux): ${(error as Error).message.split('\n').at(-1)}` };
  }
  const ballast = join(folder, 'ballast');
  return {
    folder,
    fill: (size) => writeFileSync(ballast, Buffer.alloc(size)),
    free: () => rmSync(ballast, { force: true }),
    freeBytes() {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    },
    remove() {
      execFileSync('umount', [folder], { stdio: 'pipe' });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
