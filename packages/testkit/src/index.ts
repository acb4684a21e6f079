export {
  type CutProxy,
  type NatsOptions,
  type NotHere,
  type PostgresOptions,
  type ProxyOptions,
  type RedisOptions,
  type RunningPostgres,
  type RunningService,
  startProxy,
} from '@gapless/launch';
export { FakeClock, settled } from './fake-clock.ts';
export { HttpClient } from './http-client.ts';
export { startKafka, startNats, startPostgres, startRedis } from './launch/noted.ts';
export { RUN_FOLDER, readNotes, type ServerNote } from './launch/run-notes.ts';
export { type LaunchedServer, type LaunchOptions, launchServer, signToken, TEST_SECRET, type TokenOptions } from './launch/server.ts';
export { SHARED_POSTGRES, type SharedPostgres, sharedPostgres } from './launch/shared-postgres.ts';
export { mountSmallDisk, type SmallDisk } from './launch/small-disk.ts';
export { type LossyOptions, type LossyProxy, startLossyNats, startLossyRedis } from './lossy/index.ts';
export { SseClient, type SseOptions, type StreamEvent, takeEvents } from './sse-client.ts';
export { type Closed, WireClient, type WireOptions } from './wire-client.ts';
