import postgres from 'postgres';
import { type Host, NO_WRITES, takesWrites } from './hosts.ts';
import { read } from './text.ts';

/** A try to connect, with everything that is asked before the connection is used. */
const CONNECT_MS = 3_000;

/** After this the server gives a statement up, and with it its locks. Below the 5 s in which the Writer answers its callers. */
const STATEMENT_MS = 4_000;

/** The server should have given up long ago: it does not answer any more. */
const ANSWER_MS = STATEMENT_MS + 500;

/**
 * Everything here is found by an index and joined row by row, and is in large tables as it is in small ones. Left alone, Postgres would plan
 * by the size that the tables had when it last looked, and keep that plan while they grow. The plan for any values is the right one: it
 * is made once, and leaves out the partitions that have nothing when the values are there.
 */
export const PLANS = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
};

export type Value = string | number | boolean | null;

/**
 * One connection to the server of the url that takes writes. It is used for one statement at a time and never comes back: after an error
 * of the connection there is a new one.
 *
 * postgres.js knows several hosts itself, but with `read-write` takes a standby of Postgres 14 and newer for the primary, and while there
 * is none tries without a pause and without an end.
 */
export class Connection {
  /** Why it cannot be used any more. */
  failure: unknown;
  readonly host: Host;
  readonly #sql: postgres.Sql;

  private constructor(url: string, host: Host, onEnd: (connection: Connection) => void) {
    this.host = host;
    this.#sql = postgres(url, {
      host: [host.host],
      port: [host.port],
      max: 1,
      connect_timeout: CONNECT_MS / 1_000,
      idle_timeout: 0,
      max_lifetime: null,
      fetch_types: false,
      onnotice() {},
      onclose: () => {
        this.fail(new Error('the connection to Postgres was closed'));
        onEnd(this);
      },
      connection: {
        application_name: 'gapless',
        statement_timeout: STATEMENT_MS,
        client_min_messages: 'error',
        // A statement of a function must see what was committed while the one before it waited for a lock.
        default_transaction_isolation: 'read committed',
        ...PLANS,
      },
      types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
      transform: { value: { from: (value: unknown) => (typeof value === 'string' ? read(value) : value) } },
    } as unknown as postgres.Options<Record<string, postgres.PostgresType>>);
  }

  /** Connects to the first of these servers that takes writes. */
  static async open(url: string, hosts: readonly Host[], onEnd: (connection: Connection) => void): Promise<Connection> {
    let failure: unknown;
    for (const host of hosts) {
      const connection = new Connection(url, host, onEnd);
      try {
        await connection.#begin();
        return connection;
      } catch (error) {
        connection.fail(error);
        failure = error;
      }
    }
    throw failure;
  }

  async query<Row>(text: string, values: readonly Value[]): Promise<Row[]> {
    const answer = this.#sql.unsafe(text, values as Value[], { prepare: true });
    try {
      return (await within(ANSWER_MS, answer)) as unknown as Row[];
    } catch (error) {
      if (!leavesConnection(error)) this.fail(error);
      throw error;
    }
  }

  fail(error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.#sql.end({ timeout: 0 }).catch(() => {});
  }

  async close(): Promise<void> {
    this.failure ??= new Error('the store is closed');
    await this.#sql.end({ timeout: 1 }).catch(() => {});
  }

  async #begin(): Promise<void> {
    if (!(await within(CONNECT_MS, takesWrites(this.#sql)))) throw new Error(NO_WRITES);
  }
}

/** SQLSTATE of an error that the server sent; undefined for every other error. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof postgres.PostgresError ? error.code : undefined;
}

/** Whether the connection works after this error: the server said what is wrong, and it is not the server itself. */
function leavesConnection(error: unknown): boolean {
  const code = sqlState(error);
  // Connection exceptions; shutdown, crash, starting up; became read-only.
  return code !== undefined && !code.startsWith('08') && !code.startsWith('57P') && code !== '25006';
}

async function within<T>(ms: number, answer: PromiseLike<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`Postgres did not answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
