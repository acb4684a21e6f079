import type { Store } from '@gapless/core';
import { createAccountReads, createAccountWrites } from './accounts.ts';
import { commit } from './commit/commit.ts';
import { createFeed } from './feed.ts';
import { migrate } from './migrate.ts';
import { Pool } from './pool.ts';
import { queryOf } from './query.ts';
import { createReads } from './reads.ts';

export type { Comparison, Progress } from './compare.ts';
export { type CompareOptions, compareInstallations, type Imported, type ImportOptions, importInstallation } from './import.ts';
export { type MigrationStatus, postgresMigrationStatus } from './migrate.ts';
export { TargetRefused } from './target.ts';

export interface PostgresOptions {
  /** postgres://user:password@host:port/database; several hosts with commas: the one that takes writes is used. */
  url: string;
  /** Commits at a time. */
  lanes?: number;
  readConnections?: number;
  /** Called when the server is lost, once until it is back. */
  onError?: (error: unknown) => void;
}

/** With one, the server waits while the node makes and reads batches; more make smaller batches, and those cost more. */
/** Of several nodes, larger batches cost less than more at a time: five nodes with 1 lane each deliver a fifth sooner than with 2. One node alone saves half as much again with 2. */
const LANES = 1;
const READ_CONNECTIONS = 8;

/**
 * The store of several nodes: PostgreSQL 15 or newer. Any node writes any conversation.
 *
 * - Commits have connections of their own, one for each of `lanes` and one more for users and sign-ins: reads never wait behind them.
 * - When the server is away everything is refused soon, and works again by itself when it is back.
 *
 * @throws Error when the database cannot be reached or is too new
 */
export async function openPostgresStore({
  url,
  lanes = LANES,
  readConnections = READ_CONNECTIONS,
  onError = () => {},
}: PostgresOptions): Promise<Store> {
  await migrate(url);
  const writers = new Pool({ url, size: lanes + 1, onError });
  const readers = new Pool({ url, size: readConnections, onError });
  const [write, read] = [queryOf(writers), queryOf(readers)];

  return {
    capabilities: { durable: true, multiProcess: true, lanes },
    ...createReads(read),
    ...createAccountReads(read),
    ...createAccountWrites(write),
    ...createFeed({ query: read, pool: readers }),
    commit: (batch) => commit(write, batch),
    async check() {
      await write('INSERT INTO health AS h (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at', [Date.now()]);
    },
    async close() {
      await Promise.all([writers.close(), readers.close()]);
    },
  };
}
