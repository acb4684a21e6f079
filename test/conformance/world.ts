import {
  HttpClient,
  type LaunchedServer,
  type LaunchOptions,
  launchServer,
  signToken,
  type TokenOptions,
  WireClient,
  type WireOptions,
} from '@gapless/testkit';
import { afterAll, beforeAll, expect } from 'vitest';

/** A real server for all tests of a file, and people who use it. */
/** Environment of a server whose connections are full early. */
export const LOW_MARKS = {
  GAPLESS_WS_BACKPRESSURE_WRITE_BUFFER_LOW_WATER_MARK_BYTES: '8192',
  GAPLESS_WS_BACKPRESSURE_WRITE_BUFFER_HIGH_WATER_MARK_BYTES: '16384',
};

export interface World {
  readonly server: LaunchedServer;
  /** The app's backend. */
  readonly backend: HttpClient;
  http(user: string, options?: TokenOptions): Promise<HttpClient>;
  /** An authenticated connection. */
  connect(user: string, options?: Partial<WireOptions>): Promise<WireClient>;
  /** A connection that has not said who it is. */
  open(options?: Partial<WireOptions>): Promise<WireClient>;
  /** A group of these users, the first one its owner; created by the backend. */
  group(...users: string[]): Promise<string>;
}

/** Starts the server before the tests of the file. At the end it must stop with 0 and have logged no error. */
export function useServer(options?: LaunchOptions): World {
  let server: LaunchedServer;
  let backend: HttpClient;
  const clients = new Set<WireClient>();

  beforeAll(async () => {
    server = await launchServer(options);
    backend = new HttpClient(server.url, await signToken('backend', { role: 'admin' }));
  });
  afterAll(async () => {
    await Promise.all([...clients].map((client) => client.close()));
    expect(await server.stop()).toBe(0);
    expect(errorsIn(server)).toEqual([]);
  });

  async function open(wire: Partial<WireOptions> = {}): Promise<WireClient> {
    const client = await WireClient.connect({ url: server.url, ...wire });
    clients.add(client);
    return client;
  }

  return {
    get server() {
      return server;
    },
    get backend() {
      return backend;
    },
    open,
    http: async (user, token) => new HttpClient(server.url, await signToken(user, token)),
    connect: async (user, wire) => open({ token: await signToken(user), ...wire }),
    group: (...users) => backend.create('group', users),
  };
}

/** Log lines that say something went wrong inside. */
export function errorsIn(server: LaunchedServer): string[] {
  return server
    .output()
    .split('\n')
    .filter((line) => /"level":[56]0/.test(line) || /Error\b.*\n?\s+at /.test(line));
}

export const text = (value: string) => ({ kind: 'text', body: { text: value } });

export const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

/** The next frame of this type that `matches`, from now on. */
export function next<T extends Parameters<WireClient['wait']>[0]>(
  client: WireClient,
  t: T,
  matches: Parameters<typeof client.wait<T>>[1] = () => true,
): ReturnType<typeof client.wait<T>> {
  const seen = new Set(client.frames);
  return client.wait(t, (frame) => !seen.has(frame) && matches(frame));
}

/** Messages of one conversation in the order they came. */
export function messages(client: WireClient, cid: string) {
  return client.of('message').filter((frame) => frame.cid === cid);
}
