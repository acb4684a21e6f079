import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** Gives the path of a database in a new folder each time; all are removed after the file's tests. */
export function tempDatabases(): () => string {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  return () => {
    const folder = mkdtempSync(join(tmpdir(), 'gapless-sqlite-'));
    folders.push(folder);
    return join(folder, 'gapless.db');
  };
}

/** For tests in which nothing fatal may happen. */
export function neverFatal(error: unknown): never {
  throw new Error('the store called it fatal', { cause: error });
}
