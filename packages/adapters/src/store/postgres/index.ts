import type { Store } from '@gapless/core';
import { createAccept } from './accept.ts';
import { createAccountReads, createAccountWrites } from './accounts.ts';
import { commit } from './commit/commit.ts';
import { createFeed } from './feed.ts';
import { healOwnReads } from './heal.ts';
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
  /** Called for each transaction that has sends with `ensureMembers`: how long their members took, positions in it included. */
  onEnsureMembers?: (ms: number) => void;
}

/** More make smaller batches, and those cost more: five nodes with 1 lane each deliver a fifth sooner than with 2. One node alone saves half as much again with 2. */
const LANES = 1;
const READ_CONNECTIONS = 8;

/** For users and sign-ins: a crowd that comes at once waits for itself, and for nobody's messages. */
const ACCOUNT_CONNECTIONS = 2;

/**
 * The store of several nodes: PostgreSQL 15 or newer. Any node writes any conversation.
 *
 * - Commits, reads, users and sign-ins, and the check have connections of their own: none waits behind another.
 * - When the server is away everything is refused soon, and works again by itself when it is back.
 *
 * @throws Error when the database cannot be reached or is too new
 */
export async function openPostgresStore({
  url,
  lanes = LANES,
  readConnections = READ_CONNECTIONS,
  onError = () => {},
  onEnsureMembers = () => {},
}: PostgresOptions): Promise<Store> {
  await migrate(url);
  const writers = new Pool({ url, size: lanes, onError });
  const readers = new Pool({ url, size: readConnections, onError });
  // The same server: what it is lost for is told by the others.
  const [accounts, checks] = [ACCOUNT_CONNECTIONS, 1].map((size) => new Pool({ url, size, onError() {} })) as [Pool, Pool];
  const [write, read] = [queryOf(writers), queryOf(readers)];
  const check = queryOf(checks);

  return {
    capabilities: { durable: true, multiProcess: true, lanes },
    ...createReads(read),
    ...createAccountReads(read),
    ...createAccountWrites(queryOf(accounts)),
    ...createFeed({ query: read, pool: readers }),
    ...createAccept(read),
    commit: (batch) => commit(write, batch, { onEnsureMembers }),
    healOwnReads: (options) => healOwnReads(read, options),
    async check() {
      await check('INSERT INTO health AS h (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at', [Date.now()]);
    },
    async close() {
      await Promise.all([writers, readers, accounts, checks].map((pool) => pool.close()));
    },
  };
}
