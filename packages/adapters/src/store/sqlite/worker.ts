import { parentPort, workerData } from 'node:worker_threads';
import type { Command } from '@gapless/core';
import { createAcceptReads, createAcceptWrites } from './accept.ts';
import { createAccountWrites } from './accounts.ts';
import { createCheckpointer } from './checkpoint.ts';
import { Batch, type Committed } from './commit/batch.ts';
import { isRolledBack, openDatabase } from './database.ts';
import { createFeedReads, createFeedWrites } from './feed.ts';
import { createHealing } from './heal.ts';
import { migrate } from './migrate.ts';
import { createReads } from './reads.ts';

// Runs in a worker thread, so that the event loop never waits for a disk. One thread writes, another reads beside it.

/** What the main thread asks for; `method` is one of the role's methods. */
export interface Request {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

export type Response =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly message: string; readonly errcode?: number } };

export interface WorkerOptions {
  readonly path: string;
  readonly role: 'writer' | 'reader';
}

type Methods = Record<string, (...args: never[]) => unknown>;

const { path, role } = workerData as WorkerOptions;
const db = openDatabase(path, role);
const checkpoint = role === 'writer' ? createCheckpointer(db) : () => {};
const methods =
  role === 'writer' ? writerMethods() : ({ ...createReads(db), ...createFeedReads(db), ...createAcceptReads(db) } as unknown as Methods);

/** After a failed fsync nobody knows what the file holds. Requests that were on their way by then are not carried out. */
let broken: unknown;

parentPort!.on('message', ({ id, method, args }: Request) => {
  if (method === 'close') {
    db.close();
    parentPort!.postMessage({ id, value: undefined } satisfies Response);
    parentPort!.close();
    return;
  }
  try {
    if (broken !== undefined) throw broken;
    parentPort!.postMessage({ id, value: methods[method]!(...(args as never[])) } satisfies Response);
  } catch (error) {
    if (role === 'writer' && !isRolledBack(error)) broken = error;
    const { message, errcode } = error as { message: string; errcode?: number };
    parentPort!.postMessage({ id, error: errcode === undefined ? { message } : { message, errcode } } satisfies Response);
    // It may have been a failed fsync: another one would be one too many.
    return;
  }
  // What it throws ends the thread, and that is fatal to the store.
  checkpoint();
});

function writerMethods(): Methods {
  migrate(db, Date.now());
  const batch = new Batch(db);
  const writes = {
    ...createAccountWrites(db),
    ...createFeedWrites(db),
    ...createAcceptWrites(db),
    ...createHealing(db),
  } as unknown as Methods;
  const commit = (commands: readonly Command[]): Committed => rolledBack(() => batch.commit(commands));
  const inTransaction = Object.fromEntries(
    Object.entries(writes).map(([name, write]) => [
      name,
      (...args: never[]) =>
        rolledBack(() => {
          db.exec('BEGIN IMMEDIATE');
          const value = write(...args);
          db.exec('COMMIT');
          return value;
        }),
    ]),
  );
  return { ...inTransaction, commit, ready() {} } as Methods;
}

/** Leaves no transaction open behind a failure. A rollback that fails itself is the first error's affair. */
function rolledBack<T>(task: () => T): T {
  try {
    return task();
  } catch (error) {
    try {
      if (db.isTransaction) db.exec('ROLLBACK');
    } catch {
      // The first error says what happened.
    }
    throw error;
  }
}
