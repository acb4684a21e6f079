import postgres from 'postgres';
import { expect, test } from 'vitest';
import { sharedPostgres } from './shared-postgres.ts';

async function ask(url: string, text: string): Promise<postgres.Row> {
  const sql = postgres(url, { max: 1 });
  try {
    return (await sql.unsafe(text))[0]!;
  } finally {
    await sql.end();
  }
}

test('the server of the run gives each who asks an empty database of UTF-8', async (context) => {
  const server = await sharedPostgres();
  if ('reason' in server) return context.skip(server.reason);
  const [one, other] = [await server.createDatabase(), await server.createDatabase()];
  await ask(one, 'create table only_here ()');
  expect(await ask(other, "select count(*)::int from information_schema.tables where table_schema = 'public'")).toEqual({ count: 0 });
  expect(await ask(other, 'show server_encoding')).toEqual({ server_encoding: 'UTF8' });
});
