import {
  HttpClient,
  type LaunchedServer,
  type LaunchOptions,
  launchServer,
  sharedPostgres,
  signToken,
  type TokenOptions,
  WireClient,
  type WireOptions,
} from '@gapless/testkit';
import { afterAll, beforeAll, expect } from 'vitest';

/** Environment of a server whose connections are full early. */
export const LOW_MARKS = {
  GAPLESS_WS_BACKPRESSURE_WRITE_BUFFER_LOW_WATER_MARK_BYTES: '8192',
  GAPLESS_WS_BACKPRESSURE_WRITE_BUFFER_HIGH_WATER_MARK_BYTES: '16384',
};

/**
 * Set by test/cluster: the servers of this file are then several nodes on one store, and each connection goes to the next of them. No
 * client may notice.
 */
export const CLUSTER = 'TEST_CLUSTER';

/** A real server for all tests of a file, and people who use it. */
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
  let servers: LaunchedServer[];
  let backend: HttpClient;
  let opened = 0;
  const clients = new Set<WireClient>();
  // As it is when the file is read: a file may end before another one's tests begin.
  const cluster = process.env[CLUSTER];

  beforeAll(async () => {
    const nodes = cluster === undefined ? [{}] : await nodesOf(JSON.parse(cluster));
    servers = await Promise.all(nodes.map((env) => launchServer({ ...options, env: { ...env, ...options?.env } })));
    server = servers[0]!;
    backend = new HttpClient(server.url, await signToken('backend', { role: 'admin' }));
  });
  afterAll(async () => {
    await Promise.all([...clients].map((client) => client.close()));
    for (const node of servers) {
      expect(await node.stop()).toBe(0);
      expect(errorsIn(node)).toEqual([]);
    }
  });

  async function open(wire: Partial<WireOptions> = {}): Promise<WireClient> {
    const client = await WireClient.connect({ url: servers[opened++ % servers.length]!.url, ...wire });
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

/** What each node of a cluster is told; on a database of their own. */
async function nodesOf({ nodes, env }: { nodes: number; env: Record<string, string> }): Promise<Record<string, string>[]> {
  const postgres = await sharedPostgres();
  if ('reason' in postgres) throw new Error(postgres.reason);
  const store = await postgres.createDatabase();
  return Array.from({ length: nodes }, () => ({ ...env, GAPLESS_STORE: store }));
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
