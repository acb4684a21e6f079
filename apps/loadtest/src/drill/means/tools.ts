import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that drills use, each with the Debian package that has it. */
export const TOOLS = {
  ip: 'iproute2',
  'mkfs.ext4': 'e2fsprogs',
  mount: 'mount',
  nbdfuse: 'libnbd-bin',
  nbdkit: 'nbdkit',
  nft: 'nftables',
  nsenter: 'util-linux',
  python3: 'python3',
  strace: 'strace',
  unshare: 'util-linux',
} as const;

export type Tool = keyof typeof TOOLS;

/** Administration programs are not on everyone's path. */
const ALSO_IN = ['/usr/sbin', '/sbin'];

/** What of these is not on this machine, in words. */
export function missingTools(...tools: readonly Tool[]): string[] {
  return tools.filter((tool) => !isThere(tool)).map((tool) => `the program ${tool} (Debian package ${TOOLS[tool]})`);
}

export function missingRoot(): string[] {
  return process.getuid?.() === 0 ? [] : ['the rights of root on Linux'];
}

/** All that is missing, as a drill says it; undefined when nothing is. */
export function inWords(...missing: readonly (readonly string[])[]): string | undefined {
  const all = [...new Set(missing.flat())];
  return all.length === 0 ? undefined : `it takes ${all.join(', and ')}`;
}

/** What the machine says against doing this; `what` names it. */
export function missingAbility(what: string, tries: () => void): string[] {
  try {
    tries();
    return [];
  } catch (error) {
    return [`${what} (tried: ${(error as Error).message})`];
  }
}

/** Runs a program to its end; gives what it wrote. @throws Error with its last words */
export function run(command: string, ...args: readonly string[]): string {
  return pipe('', command, ...args);
}

/** The same, with something to read. */
export function pipe(input: string, command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, { input, encoding: 'utf8', stdio: 'pipe', env: { ...process.env, PATH: searchPath() } });
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim() || (error as Error).message;
    throw new Error(`${command} ${args[0] ?? ''}: ${said}`, { cause: error });
  }
}

function isThere(tool: string): boolean {
  return searchPath()
    .split(delimiter)
    .some((folder) => {
      try {
        accessSync(join(folder, tool), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function searchPath(): string {
  return [process.env.PATH ?? '', ...ALSO_IN].join(delimiter);
}
