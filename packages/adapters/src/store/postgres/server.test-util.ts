import { type RunningPostgres, startPostgres } from '@gapless/testkit';
import postgres from 'postgres';
import { afterAll } from 'vitest';
import { openPostgresStore } from './index.ts';

/** The servers that the store must work on. */
export const SERVERS = ['npm', 'debian'] as const;

/** One server for a file of tests, removed after them; or why there is none here. */
export async function serverOf(which?: (typeof SERVERS)[number]): Promise<RunningPostgres | { readonly reason: string }> {
  const server = await startPostgres(which === undefined ? {} : { which });
  if (!('reason' in server)) afterAll(() => server.remove());
  return server;
}

/** Gives one database again and again, emptied each time: making its partitions takes longer than most tests. */
export function emptiedDatabase(server: RunningPostgres): () => Promise<string> {
  let url: string | undefined;
  return async () => {
    if (url === undefined) {
      url = await server.createDatabase();
      return url;
    }
    await query(url, EMPTY);
    return url;
  };
}

const EMPTY = `DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'migration'
  LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
END $$`;

/** One statement, as somebody else at the database. */
export async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice() {} });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** A node: its troubles with the server are told to nobody. */
export const openNode = (url: string) => openPostgresStore({ url });
