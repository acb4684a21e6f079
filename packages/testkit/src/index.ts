export { FakeClock, settled } from './fake-clock.ts';
export { HttpClient } from './http-client.ts';
export { type LaunchedServer, type LaunchOptions, launchServer, signToken, TEST_SECRET, type TokenOptions } from './launch/server.ts';
export { mountSmallDisk, type SmallDisk } from './launch/small-disk.ts';
export { type CutProxy, startProxy } from './proxy.ts';
export { SseClient, type SseOptions, type StreamEvent, takeEvents } from './sse-client.ts';
export { type Closed, WireClient, type WireOptions } from './wire-client.ts';
