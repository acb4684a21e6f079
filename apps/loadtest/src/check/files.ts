import { hash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync, type WriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { type CheckResult, HistoryCheck } from './check.ts';
import type { CheckOptions } from './conversation.ts';
import type { HistoryEvent } from './event.ts';

/** Histories above this are first split by conversation into files of about this size, so that memory stays bounded. */
const SPLIT_BYTES = 256 * 2 ** 20;

export interface FileCheckOptions extends CheckOptions {
  /** Gives the final history of a conversation, the server's log, as `user` may read it: one who joined or wrote. */
  fetchHistory?: (cid: string, user: string) => AsyncIterable<HistoryEvent>;
  splitBytes?: number;
}

/** Checks NDJSON files together: they are one history. @throws HistoryFileError a line that is no event */
export async function checkFiles(files: readonly string[], options: FileCheckOptions = {}): Promise<CheckResult> {
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  const parts = Math.ceil(bytes / (options.splitBytes ?? SPLIT_BYTES));
  const check = new HistoryCheck(options);
  if (parts <= 1) {
    await checkPart(files, check, options);
    return check.finish();
  }
  const folder = mkdtempSync(join(tmpdir(), 'gapless-check-'));
  try {
    for (const part of await split(files, parts, folder)) await checkPart([part], check, options);
    return check.finish();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A line that is no event of a history. */
export class HistoryFileError extends Error {
  readonly say = true;
}

async function checkPart(files: readonly string[], check: HistoryCheck, { fetchHistory }: FileCheckOptions): Promise<void> {
  const users = new Map<string, string>();
  for (const file of files) {
    let torn: HistoryFileError | undefined;
    let at = 0;
    for await (const line of lines(file)) {
      at++;
      // Only the last line may be torn: its writer was killed.
      if (torn !== undefined) throw torn;
      const event = parse(line);
      if (event === undefined) torn = new HistoryFileError(`${file}, line ${at}: no event: ${line.slice(0, 80)}`);
      else {
        if (fetchHistory !== undefined && !users.has(event.cid)) users.set(event.cid, event.u);
        check.add(event);
      }
    }
    if (torn !== undefined && at === 1) throw torn;
  }
  if (fetchHistory !== undefined) for (const [cid, user] of users) for await (const event of fetchHistory(cid, user)) check.add(event);
  check.flush();
}

function parse(line: string): HistoryEvent | undefined {
  try {
    const event = JSON.parse(line) as HistoryEvent;
    return typeof event.cid === 'string' && typeof event.ev === 'string' ? event : undefined;
  } catch {
    return undefined;
  }
}

async function split(files: readonly string[], parts: number, folder: string): Promise<string[]> {
  const names = Array.from({ length: parts }, (_, index) => join(folder, `${index}.ndjson`));
  const outs = names.map((name) => createWriteStream(name));
  for (const file of files) {
    for await (const line of lines(file)) {
      const cid = /"cid":"([^"]*)"/.exec(line)?.[1];
      if (cid === undefined) continue;
      const out = outs[Number.parseInt(hash('sha1', cid).slice(0, 8), 16) % parts]!;
      if (!out.write(`${line}\n`)) await drained(out);
    }
  }
  for (const out of outs) out.end();
  await Promise.all(outs.map((out) => finished(out)));
  return names;
}

function drained(out: WriteStream): Promise<void> {
  return new Promise((resolve) => out.once('drain', resolve));
}

async function* lines(file: string): AsyncGenerator<string> {
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== '') yield line;
  }
}
