import type postgres from 'postgres';

/** A server that may be the primary. */
export interface Host {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 5432;

/**
 * The servers of a url, in order: `postgres://user:password@host1:5432,host2:5433/database`.
 * @throws Error when it is none
 */
export function hostsOf(url: string): Host[] {
  const match = /^postgres(?:ql)?:\/\/(?:[^@/?]*@)?([^/?]*)/.exec(url);
  const names = match?.[1] ?? '';
  if (names === '') throw new Error('the url of Postgres is postgres://user:password@host:port/database');
  return names.split(',').map((name) => {
    const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(name) ?? [];
    if (host === undefined || host === '') throw new Error('a host in the url of Postgres is host:port');
    return { host: decodeURIComponent(host).replace(/^\[|\]$/g, ''), port: port === undefined ? DEFAULT_PORT : Number(port) };
  });
}

export const NO_WRITES = 'this Postgres takes no writes: it is a standby';

/** Whether it is the primary. A standby is no good for reads either, since it is behind. */
export async function takesWrites(sql: postgres.Sql): Promise<boolean> {
  const [row] = await sql.unsafe("SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS yes");
  return row?.yes === true;
}
