import { createDatabase, type NotHere } from '@gapless/launch';
import { startPostgres } from './noted.ts';

/** One server for all test files of a run: each makes databases of its own, and nobody stops it. */
export interface SharedPostgres {
  readonly url: string;
  readonly version: string;
  /** The url of a fresh empty database, UTF-8. */
  createDatabase(): Promise<string>;
}

/** Names the address that test/run-setup.ts answers on. */
export const SHARED_POSTGRES = 'TEST_SHARED_POSTGRES';

let shared: Promise<SharedPostgres | NotHere> | undefined;

/** The server of this test run, started by the first who asks. Outside of a test run: one of this process. */
export function sharedPostgres(): Promise<SharedPostgres | NotHere> {
  shared ??= find();
  return shared;
}

async function find(): Promise<SharedPostgres | NotHere> {
  const address = process.env[SHARED_POSTGRES];
  if (address === undefined) return startPostgres();
  const response = await fetch(address);
  const answer = await response.text();
  if (!response.ok) throw new Error(answer);
  const server: { url: string; version: string } | NotHere = JSON.parse(answer);
  return 'reason' in server ? server : { ...server, createDatabase: () => createDatabase(server.url) };
}
