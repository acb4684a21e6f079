import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startService } from '@gapless/launch';
import { signToken, type TokenTimes } from '../token.ts';
import type { DrillContext } from './drill.ts';
import { until } from './means/until.ts';
import { openRedis } from './services.ts';
import { type WatchedNode, watched } from './watched-node.ts';

export interface ClusterPlan {
  readonly nodes: number;
  /** postgres://…; several nodes share it. `sqlite` for one node on a file of its own. */
  readonly store: string;
  /** redis://…, nats://…, kafka://…, or `memory` for one node. */
  readonly broker: string;
  /** Further settings, by their name on the command line: `{ 'postgres-lanes': '2' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of the tokens that clients have. */
  readonly tokens?: TokenTimes;
  /** What is different about a node, by its number from 0. */
  readonly node?: (n: number) => NodePlan;
  /** What is broken is right under the nodes: they end by themselves, as they should. */
  readonly mayEnd?: boolean;
}

export interface NodePlan {
  /** Put before its command: where, or under what it runs. */
  readonly prefix?: readonly string[];
  /** The address it listens on and is reached at; 127.0.0.1 when absent. */
  readonly host?: string;
  /** On top of those of all nodes. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** A cluster that does not come about; machines are slow, not that slow. */
const READY_MS = 60_000;
/** A node that stands still answers nothing. */
const ANSWER_MS = 5_000;
/** After a drill: a node that is healed looks at its services every second or two. */
const WELL_MS = 10_000;

/** Processes of `gapless serve` that share a store and a broker; each keeps its port and its folder for life. */
export class Cluster {
  readonly nodes: readonly WatchedNode[];
  readonly #secret: string;
  readonly #tokens: TokenTimes;
  readonly #mayEnd: boolean;

  private constructor(nodes: readonly WatchedNode[], secret: string, { tokens = {}, mayEnd = false }: ClusterPlan) {
    this.nodes = nodes;
    this.#secret = secret;
    this.#tokens = tokens;
    this.#mayEnd = mayEnd;
  }

  /** The first alone, so that it migrates the database; the others together. Resolves when all have met. */
  static async start(context: DrillContext, plan: ClusterPlan): Promise<Cluster> {
    const secret = randomBytes(32).toString('hex');
    const settings = { ...baseSettings(plan, secret), ...(await twoPhaseSettings(context, plan)) };
    const start = (n: number) => startNode(context, n, { ...plan.node?.(n), settings: { ...settings, ...plan.node?.(n).settings } });
    const nodes = [await start(0)];
    nodes.push(...(await Promise.all(Array.from({ length: plan.nodes - 1 }, (_, i) => start(i + 1)))));
    const cluster = new Cluster(nodes, secret, plan);
    if (nodes.length > 1) await cluster.meet();
    return cluster;
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  token(user: string, role: 'user' | 'admin' = 'user', times = this.#tokens): string {
    return signToken(this.#secret, user, role, times);
  }

  /** Resolves when each node has heard of all the others. */
  async meet(): Promise<void> {
    const met = await until(async () => (await this.metric('gapless_cluster_nodes')) === this.nodes.length ** 2, READY_MS);
    if (!met) throw new Error(`the nodes have not met within ${READY_MS / 1_000} s`);
  }

  /** A value of /metrics, of all nodes together; of those that do not answer nothing. @throws Error when none answers, or one does not have it */
  async metric(name: string): Promise<number> {
    const values = (await Promise.all(this.nodes.map(({ url }) => metricOf(url, name)))).filter((value) => value !== undefined);
    if (values.length === 0) throw new Error(`no node tells ${name}`);
    return values.reduce((sum, value) => sum + value, 0);
  }

  /** The first node that is ready. */
  async readyUrl(): Promise<string> {
    for (const url of this.urls) if (await isReady(url)) return url;
    throw new Error(`no node is ready: ${(await this.unwell()).join('; ')}`);
  }

  /** What is wrong with the nodes, a line each: one that is not ready, one that ended by itself. */
  async unwell(): Promise<string[]> {
    const looks = this.nodes.map(async (node, n) => {
      const ends = node.endedByItself();
      const ready = await until(() => isReady(node.url), WELL_MS);
      return [
        ...(ends > 0 && !this.#mayEnd ? [`node ${n} ended by itself, ${ends} times`] : []),
        ...(ready ? [] : [`node ${n} is not ready ${WELL_MS / 1_000} s after the end`]),
      ];
    });
    return (await Promise.all(looks)).flat();
  }

  /** As the app's backend; returns its cid. */
  async createGroup(participants: readonly string[]): Promise<string> {
    const response = await fetch(`${this.urls[0]}/v1/conversations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token('drill-backend', 'admin')}`, 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 'group', participants, title: 'drill' }),
    });
    if (!response.ok) throw new Error(`creating a conversation is answered ${response.status}: ${await response.text()}`);
    return ((await response.json()) as { cid: string }).cid;
  }
}

function baseSettings({ store, broker, settings }: ClusterPlan, secret: string): Record<string, string> {
  return {
    'jwt-secret': secret,
    'rate-limits': 'off',
    'log-level': 'warn',
    ...(store === 'sqlite' ? {} : { store }),
    ...(broker === 'memory' ? {} : { broker }),
    ...settings,
  };
}

/** Over a broker that is no Redis, the accept log has one of its own, if the drill does not name one. */
async function twoPhaseSettings(context: DrillContext, { broker, settings }: ClusterPlan): Promise<Record<string, string>> {
  if (context.options.twoPhase === 'off') return {};
  const on = { 'two-phase-enabled': 'true', 'two-phase-deliver-before-saved': 'true' };
  if (broker.startsWith('redis') || settings?.['two-phase-redis'] !== undefined) return on;
  return { ...on, 'two-phase-redis': (await openRedis(context)).url };
}

async function startNode(context: DrillContext, n: number, { prefix = [], host = '127.0.0.1', ...plan }: NodePlan): Promise<WatchedNode> {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-node-'));
  const port = await freePort();
  const url = `http://${host}:${port}`;
  const [command, ...program] = [...prefix, ...context.program];
  const flags = Object.entries({ host, port: String(port), 'data-dir': folder, ...plan.settings }).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ]);
  const node = await startService({
    url,
    port,
    version: '',
    from: command!,
    command: command!,
    args: [...program, 'serve', ...flags],
    folder,
    env: { ...withoutSettings(), ...plan.env },
    stopSignal: 'SIGTERM',
    log: join(context.dir, `node-${n}.log`),
    ask: () => askWhetherReady(url),
  });
  context.onCleanup(() => node.remove());
  context.log(`started node ${n} on port ${port}`);
  return watched(node);
}

/** What the user has set for a server of his must not reach ours: its database, say. */
function withoutSettings(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter((name) => name.startsWith('GAPLESS_'));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

async function isReady(url: string): Promise<boolean> {
  return askWhetherReady(url).then(
    () => true,
    () => false,
  );
}

async function askWhetherReady(url: string): Promise<void> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`/readyz answers ${response.status}`);
}

/** Undefined where nobody answers. */
async function metricOf(url: string, name: string): Promise<number | undefined> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => undefined);
  const text = await response?.text().catch(() => undefined);
  if (text === undefined) return undefined;
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  if (line === undefined) throw new Error(`${url}/metrics does not have ${name}`);
  return Number(line.slice(name.length + 1));
}
