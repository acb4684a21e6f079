import postgres from 'postgres';
import { hostsOf, NO_WRITES, takesWrites } from './hosts.ts';

const CONNECT_SEC = 5;

/** The target cannot be used as it is; nothing was written. */
export class TargetRefused extends Error {}

/** What the client library says, as one line. */
export function refuse(error: unknown): never {
  throw error instanceof TargetRefused ? error : new TargetRefused(reasonOf(error), { cause: error });
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const { message, code } = error as Error & { code?: string };
  return message || code || String(error);
}

export type Transaction = postgres.TransactionSql;

export interface TransactionOptions {
  /** As in SQL: `isolation level repeatable read read only`. */
  readonly mode?: string;
}

/**
 * One transaction at the server of the url that takes writes. It may take long: no time limit of the server's configuration counts.
 * @throws TargetRefused where it cannot be begun
 */
export async function inTransaction<T>(url: string, { mode = '' }: TransactionOptions, use: (tx: Transaction) => Promise<T>): Promise<T> {
  const { promise: lost, reject: lose } = Promise.withResolvers<never>();
  lost.catch(() => {});
  let isLost = false;
  const sql = await connect(url, () => {
    isLost = true;
    lose(new Error('the connection to Postgres was closed'));
  }).catch(refuse);
  const done = sql.begin(mode, async (tx) => {
    try {
      await tx.unsafe('SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0');
      return await use(tx);
    } catch (error) {
      // The library would write its ROLLBACK to the socket that is gone, and the process would end of it.
      if (isLost) await new Promise<never>(() => {});
      throw error;
    }
  });
  try {
    return (await Promise.race([done, lost])) as T;
  } finally {
    await sql.end({ timeout: 1 }).catch(() => {});
  }
}

async function connect(url: string, onClose: () => void): Promise<postgres.Sql> {
  let failure: unknown;
  for (const { host, port } of hostsOf(url)) {
    const sql = postgres(url, {
      host: [host],
      port: [port],
      max: 1,
      connect_timeout: CONNECT_SEC,
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      onnotice() {},
      onclose: onClose,
      types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    } as unknown as postgres.Options<Record<string, postgres.PostgresType>>);
    try {
      if (!(await takesWrites(sql))) throw new Error(NO_WRITES);
      const [row] = await sql`SHOW server_encoding`;
      if (row?.server_encoding !== 'UTF8') throw new Error(`the encoding of the database is ${row?.server_encoding}; it must be UTF8`);
      return sql;
    } catch (error) {
      failure = error;
      await sql.end({ timeout: 1 }).catch(() => {});
    }
  }
  throw failure;
}
