import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** Where Debian puts servers; an ordinary user's PATH may lack it. */
const ALSO = ['/usr/sbin', '/usr/local/sbin'];

/** The full path of a program of this machine. */
export function onPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), ...ALSO].filter((folder) => folder.startsWith('/'));
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
