import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Installation {
  /** The folder with the files that say what to install. */
  readonly tool: string;
  /** Its name there; the digest of its content says whether what is installed is still right. */
  readonly lock: string;
  /** Puts what is wanted into an empty folder. */
  fill(folder: string): Promise<void>;
}

/** Written beside what is installed: the digest it was installed from. */
const STAMP = '.gapless-installed';

/**
 * The folder of what a tool needs, filled by the first who asks.
 * It is filled under another name and renamed: of two processes that install at once, the second finds the work done; of one that is
 * killed, nothing half done is left where others look.
 *
 * @throws what `fill` throws; the next who asks tries again.
 */
export async function installOnce({ tool, lock, fill }: Installation): Promise<string> {
  const cache = join(tool, '.cache');
  const home = join(cache, 'installed');
  const stamp = createHash('sha256')
    .update(readFileSync(join(tool, lock)))
    .digest('hex');
  if (isInstalled(home, stamp)) return home;
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(join(cache, 'new-'));
  try {
    await fill(fresh);
    // Made for us alone; PostgreSQL runs as another user when we are root.
    chmodSync(fresh, 0o755);
    writeFileSync(join(fresh, STAMP), stamp);
    putInPlace({ fresh, home, stamp });
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return home;
}

function isInstalled(home: string, stamp: string): boolean {
  const file = join(home, STAMP);
  return existsSync(file) && readFileSync(file, 'utf8') === stamp;
}

function putInPlace({ fresh, home, stamp }: { fresh: string; home: string; stamp: string }): void {
  if (isInstalled(home, stamp)) return;
  rmSync(home, { recursive: true, force: true });
  try {
    renameSync(fresh, home);
  } catch (error) {
    if (!isInstalled(home, stamp)) throw error;
  }
}

/** Of what a failed program wrote, else of the error itself. */
export function whyItFailed(error: unknown): string {
  const { stderr, stdout, message } = error as Error & { stderr?: string; stdout?: string };
  return (stderr?.trim() || stdout?.trim() || message).split('\n')[0]!;
}
