import { setTimeout as sleep } from 'node:timers/promises';
import { type LaunchedServer, launchServer } from '@gapless/testkit';
import type { Ends } from './ends.ts';

export interface ClusterOptions {
  readonly nodes: number;
  /** postgres://… */
  readonly store: string;
  /** redis://…, nats://… or kafka://… */
  readonly broker: string;
  readonly env?: Readonly<Record<string, string>>;
}

const POLL_MS = 20;
const READY_MS = 30_000;

/** Server processes that share a store and a broker; each keeps its port for life. */
export class Cluster {
  readonly #servers: LaunchedServer[] = [];
  readonly #env: Readonly<Record<string, string>>;
  readonly urls: string[] = [];

  private constructor({ store, broker, env }: ClusterOptions) {
    this.#env = { GAPLESS_STORE: store, GAPLESS_BROKER: broker, ...env };
  }

  /** The first alone, so that it migrates the database; the others together. */
  static async start(options: ClusterOptions, ends: Ends): Promise<Cluster> {
    const cluster = ends.add(new Cluster(options), (started) => started.stop());
    await cluster.#launch(0);
    await Promise.all(Array.from({ length: options.nodes - 1 }, (_, i) => cluster.#launch(i + 1)));
    return cluster;
  }

  get pids(): number[] {
    return this.#servers.map(({ pid }) => pid);
  }

  /** As the operator's tools have it. */
  adminToken(): Promise<string> {
    return this.#servers[0]!.token('bench-operator', { role: 'admin' });
  }

  rssBytes(): number {
    return this.#servers.reduce((sum, server) => sum + server.rssBytes(), 0);
  }

  cpuSec(): number {
    return this.#servers.reduce((sum, server) => sum + server.cpuSec(), 0);
  }

  /** SIGTERM; resolves to its exit status. */
  end(node: number): Promise<number | null> {
    return this.#servers[node]!.stop();
  }

  kill(node: number): Promise<void> {
    return this.#servers[node]!.kill();
  }

  /** A new process on the port of one that ended; resolves when /readyz says 200. */
  again(node: number): Promise<void> {
    return this.#launch(node, this.#servers[node]!.port);
  }

  /** Lines of /metrics of all nodes whose name fits, summed: what the cluster did in all. */
  async metrics(name: RegExp): Promise<Record<string, number>> {
    const sums: Record<string, number> = {};
    for (const url of this.urls) {
      const text = await (await fetch(`${url}/metrics`)).text();
      for (const [, metric, value] of text.matchAll(/^(gapless_\S+) (\S+)$/gm))
        if (name.test(metric!)) sums[metric!] = (sums[metric!] ?? 0) + Number(value);
    }
    return sums;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.kill()));
  }

  async #launch(node: number, port?: number): Promise<void> {
    const server = await launchServer({ env: this.#env, ...(port === undefined ? {} : { port }) });
    this.#servers[node] = server;
    this.urls[node] = server.url;
    const until = performance.now() + READY_MS;
    while (!(await isReady(server.url))) {
      if (performance.now() > until) throw new Error(`${server.url} does not get ready:\n${server.output()}`);
      await sleep(POLL_MS);
    }
  }
}

/** Whether it takes clients. */
export async function isReady(url: string): Promise<boolean> {
  const response = await fetch(`${url}/readyz`).catch(() => undefined);
  await response?.body?.cancel();
  return response?.ok === true;
}
