import { HttpClient, type LaunchedServer, launchServer, sharedPostgres, signToken, WireClient, type WireOptions } from '@gapless/testkit';
import { expect, onTestFinished } from 'vitest';

const POLL_MS = 20;
/** No fact that these tests wait for takes so long; without an end, a test would only say that it took too long. */
const FACT_MAX_MS = 90_000;

export interface ClusterOptions {
  nodes: number;
  env: Readonly<Record<string, string>>;
  /** A database; a fresh one of the run's server when absent. */
  store?: string;
  /** One port for all of them; else each has its own. */
  port?: number;
}

/** Several nodes on one database, for one test: they end with it. */
export interface Cluster {
  readonly nodes: LaunchedServer[];
  /** One more. */
  add(env?: Readonly<Record<string, string>>): Promise<LaunchedServer>;
  /** The app's backend; calls the first node, or this one. */
  backend(node?: LaunchedServer): Promise<HttpClient>;
  /** A group of these users; the first one owns it. */
  group(...users: string[]): Promise<string>;
  connect(node: LaunchedServer, user: string, options?: Partial<WireOptions>): Promise<WireClient>;
}

export async function startCluster({ nodes: count, env, store, port = 0 }: ClusterOptions): Promise<Cluster> {
  const database = store ?? (await freshDatabase());
  const nodes: LaunchedServer[] = [];
  const clients: WireClient[] = [];
  async function add(more: Readonly<Record<string, string>> = {}): Promise<LaunchedServer> {
    const node = await launchServer({ port, env: { GAPLESS_STORE: database, ...env, ...more } });
    nodes.push(node);
    return node;
  }
  onTestFinished(async () => {
    for (const client of clients) client.socket.terminate();
    await Promise.all(nodes.map((node) => node.kill()));
  });
  await Promise.all(Array.from({ length: count }, () => add()));
  await meet(nodes);
  const backend = async (node = nodes[0]!) => new HttpClient(node.url, await signToken('backend', { role: 'admin' }));
  return {
    nodes,
    add,
    backend,
    group: async (...users) => (await backend()).create('group', users),
    async connect({ url }, user, options) {
      const client = await WireClient.connect({ url, token: await signToken(user), ...options });
      clients.push(client);
      return client;
    },
  };
}

export async function freshDatabase(): Promise<string> {
  const postgres = await sharedPostgres();
  if ('reason' in postgres) throw new Error(postgres.reason);
  return postgres.createDatabase();
}

/** Resolves when each of the nodes has heard of all the others. */
export async function meet(nodes: readonly LaunchedServer[]): Promise<void> {
  for (const node of nodes)
    await until(async () => (await metric(node, 'gapless_cluster_nodes')) === nodes.length, `${nodes.length} nodes have met`);
}

/** A value of /metrics; 0 where it is not there. */
export async function metric({ url }: { url: string }, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1) ?? 0,
  );
}

/** Resolves when it holds. `fact` may say how things are by then. */
export async function until(holds: () => boolean | Promise<boolean>, fact: string | (() => string)): Promise<void> {
  const end = performance.now() + FACT_MAX_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited ${FACT_MAX_MS} ms until ${typeof fact === 'string' ? fact : fact()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Ends nodes as a deploy does: each must say that all is well. */
export async function stopAll(nodes: readonly LaunchedServer[]): Promise<void> {
  for (const node of nodes) {
    expect(await node.stop()).toBe(0);
    expect(
      node
        .output()
        .split('\n')
        .filter((line) => /"level":[56]0/.test(line)),
    ).toEqual([]);
  }
}
