import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { NotHere } from './service.ts';

/** Where Debian puts servers; an ordinary user's PATH may lack it. */
const ALSO = ['/usr/sbin', '/usr/local/sbin'];

/** The full path of a program of this machine. */
export function onPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), ...ALSO].filter((folder) => folder.startsWith('/'));
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The same, or which package of Debian brings it. */
export function programOf(name: string, debianPackage: string): { command: string } | NotHere {
  const command = onPath(name);
  return command === undefined ? { reason: `there is no ${name} on this machine (Debian: apt install ${debianPackage})` } : { command };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
