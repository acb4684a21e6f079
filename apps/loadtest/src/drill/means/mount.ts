import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './tools.ts';

// For processes with mounts of their own (cell.ts): what is mounted here goes with the last of them.

/** A file system that is soon full. */
export interface SmallDisk {
  readonly folder: string;
  /** Takes space that `free` gives back. */
  fill(bytes: number): void;
  free(): void;
  freeBytes(): number;
}

/** Mounts a file system in memory of this size. */
export function mountSmallDisk(folder: string, bytes: number): SmallDisk {
  mkdirSync(folder, { recursive: true });
  run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder);
  const ballast = join(folder, 'ballast');
  return {
    folder,
    fill: (size) => writeFileSync(ballast, Buffer.alloc(size)),
    free: () => rmSync(ballast, { force: true }),
    freeBytes() {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    },
  };
}

/** A file system whose power can be cut. */
export interface CuttableDisk {
  readonly folder: string;
  /** From now on nothing reaches the disk, and every access fails. What was not synced is lost. */
  cut(): void;
  /** Mounts it again, as after a restart of the machine. No process may still hold a file on it. @throws Error the cut took nothing away */
  restart(): void;
}

/** Has the kernel end a file system as it is on disk, its own journal included: EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH. */
const SHUTDOWN = 'import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))';

/** Whether this kernel can cut the power of a file system, by doing it to one that is gone again. */
export function tryCut(): void {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-cut-'));
  const script = `truncate -s 8M image && mkfs.ext4 -q -F image && mkdir disk && mount -o loop image disk && python3 -c '${SHUTDOWN}' disk`;
  try {
    run('unshare', '--mount', 'sh', '-c', `cd '${folder}' && ${script}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes an ext4 of this size in a file beside `folder`, and mounts it there. */
export function mountCuttableDisk(folder: string, bytes: number): CuttableDisk {
  const image = `${folder}.ext4`;
  writeFileSync(image, '');
  truncateSync(image, bytes);
  run('mkfs.ext4', '-q', '-F', image);
  mkdirSync(folder, { recursive: true });
  const mount = () => run('mount', '-o', 'loop', image, folder);
  mount();
  // Its content is written in the last moment and never synced.
  const canary = join(folder, 'canary');
  return {
    folder,
    cut() {
      writeFileSync(canary, 'not synced');
      run('python3', '-c', SHUTDOWN, folder);
    },
    restart() {
      run('umount', folder);
      mount();
      if (existsSync(canary) && readFileSync(canary, 'utf8') !== '') throw new Error('what was not synced is there after a power cut');
      rmSync(canary, { force: true });
    },
  };
}
