import { type LaunchedServer, type LaunchOptions, launchServer } from '@gapless/testkit';

export type BenchServer = LaunchedServer;

/** A real server in a process of its own, rate limits off, on a fresh data folder unless one is given. */
export function startServer(options: LaunchOptions = {}): Promise<BenchServer> {
  return launchServer(options);
}
