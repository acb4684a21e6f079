import { existsSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '@gapless/adapters/store/postgres';
import type { Installation } from '@gapless/adapters/store/sqlite';
import { ConfigError } from '../config.ts';
import { withoutPassword } from '../settings.ts';
import { printCopy } from './migrate-copy-report.ts';

export interface MigrateCopyOptions {
  /** Data folder, or database file. */
  readonly from: string;
  readonly to: string;
  readonly verifyOnly?: boolean;
  readonly json?: boolean;
}

/** A person at a terminal should see that it goes on, and not much else. */
const PROGRESS_MS = 2_000;

/**
 * Copies an installation from SQLite to an empty Postgres, or only compares them, and prints what came of it. Resolves to whether they are
 * equal.
 * @throws ConfigError when one of them cannot be used; nothing was written then
 */
export async function migrateCopy({ from, to, verifyOnly = false, json = false }: MigrateCopyOptions): Promise<boolean> {
  if (!/^postgres(ql)?:\/\/[^/?#]/.test(to)) throw new ConfigError('--to: must be postgres://user:password@host:port/database');
  const path = databaseAt(from);
  const { compareInstallations, importInstallation, TargetRefused } = await import('@gapless/adapters/store/postgres');
  const source = await openSource(path);
  let committing = false;
  const options = { url: to, source, onProgress: printProgress(), onCommit: () => (committing = true) };
  const outcome = () => (committing ? 'it was just being committed: --verify-only tells whether it was' : 'nothing of it was kept');
  const stopListening = onInterrupt(() => (verifyOnly ? '' : `; ${outcome()}`));
  try {
    const result = verifyOnly ? await compareInstallations(options) : await importInstallation(options);
    const report = { from: path, to: withoutPassword(to), ok: result.different === 0, ...result };
    console.log(json ? JSON.stringify(report, null, 2) : printCopy(report));
    return report.ok;
  } catch (error) {
    if (error instanceof TargetRefused) throw new ConfigError(`--to: ${error.message}`, { cause: error });
    const { message } = error as Error;
    console.error(verifyOnly ? `gapless: comparing failed: ${message}` : `gapless: the copy failed: ${message}; ${outcome()}`);
    return false;
  } finally {
    stopListening();
    source.close();
  }
}

function databaseAt(from: string): string {
  const path = existsSync(from) && statSync(from).isDirectory() ? join(from, 'gapless.db') : from;
  if (!existsSync(path)) throw new ConfigError(`--from: there is no database at ${path}`);
  return path;
}

async function openSource(path: string): Promise<Installation> {
  const { openSqliteExport } = await import('@gapless/adapters/store/sqlite');
  try {
    return openSqliteExport(path);
  } catch (error) {
    throw new ConfigError(`--from: ${(error as Error).message}`, { cause: error });
  }
}

/** The connection ends with the process, and Postgres rolls back. Returns a function that takes the handlers off. */
function onInterrupt(outcome: () => string): () => void {
  const end = (signal: 'SIGINT' | 'SIGTERM') => {
    console.error(`gapless: interrupted${outcome()}`);
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  return () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, end);
  };
}

function printProgress(): Progress {
  let toldAt = performance.now();
  return ({ doing, table, rows }) => {
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    console.error(`${doing} ${table}: ${rows.toLocaleString('en')}`);
  };
}
