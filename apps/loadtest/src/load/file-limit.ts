import { readFileSync } from 'node:fs';

/** Open files of a process that are no connections: its own code, histories, pipes, and what it asks the server. */
export const FILES_BESIDE = 200;

/** Files that one process may open; Node has raised it to the most that is allowed. Endless where the system does not tell. */
export function openFilesMax(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
