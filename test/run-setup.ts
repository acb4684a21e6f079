import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RUN_FOLDER, SHARED_POSTGRES, startPostgres } from '@gapless/testkit';

/** Runs once around all test files, in the process that starts theirs: what those processes share. They find it by the environment. */
export default async function setUp(): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-run-'));
  let starting: ReturnType<typeof startPostgres> | undefined;
  /** Starts PostgreSQL when the first file asks for it. */
  const server = createServer(async (_request, response) => {
    try {
      starting ??= startPostgres();
      const started = await starting;
      response.end(JSON.stringify('reason' in started ? started : { url: started.url, version: started.version }));
    } catch (error) {
      response.writeHead(500).end((error as Error).message);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.env[RUN_FOLDER] = folder;
  process.env[SHARED_POSTGRES] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return async () => {
    server.close();
    server.closeAllConnections();
    const started = await starting?.catch(() => undefined);
    if (started !== undefined && !('reason' in started)) await started.remove();
    rmSync(folder, { recursive: true, force: true });
  };
}
