import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NotHere } from '@gapless/launch';

/** A real server that tests ran against, or one that this machine does not have. */
export type ServerNote =
  | { readonly name: string; readonly version: string; readonly from: string }
  | { readonly name: string; readonly reason: string };

/** Names the folder that the test processes of one run share; test/run-setup.ts makes it. */
export const RUN_FOLDER = 'TEST_RUN_FOLDER';

/** Tells the end of the test run that this server was there. Outside of a test run: nothing. */
export function noteServer(note: ServerNote): void {
  const folder = process.env[RUN_FOLDER];
  if (folder !== undefined) appendFileSync(join(folder, 'servers.jsonl'), `${JSON.stringify(note)}\n`);
}

/** The same for one that is not there. */
export function noteMissing(name: string, reason: string): NotHere {
  noteServer({ name, reason });
  return { reason };
}

/** Says so again when this run found out already: what failed once is not tried for each file. */
export function knownMissing(name: string): NotHere | undefined {
  const folder = process.env[RUN_FOLDER];
  if (folder === undefined) return undefined;
  return readNotes(folder).find((note) => note.name === name && 'reason' in note) as NotHere | undefined;
}

/** Each note of a run once, by name. */
export function readNotes(folder: string): ServerNote[] {
  const file = join(folder, 'servers.jsonl');
  if (!existsSync(file)) return [];
  const lines = new Set(readFileSync(file, 'utf8').trim().split('\n').toSorted());
  return [...lines].map((line) => JSON.parse(line) as ServerNote);
}
