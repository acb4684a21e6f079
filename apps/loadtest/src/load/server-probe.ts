import { nowUs } from './clock.ts';
import { type LoopDelay, LoopDelays, worstOf } from './loop-delay.ts';
import { findServer, ServerProcess } from './server-process.ts';

const SCRAPE_TIMEOUT_MS = 900;

export interface NodeSample {
  /** 100 for one whole core. */
  readonly cpuPct?: number;
  readonly rssMiB?: number;
  /** Live ones, as it tells. */
  readonly connections?: number;
  /** Delay of the event loop since the last look, its timer's 10 ms included. */
  readonly loopP99Ms?: number;
  readonly loopMaxMs?: number;
}

/** All nodes together: CPU, memory and connections are sums, delays those of the worst node. */
export interface ServerSample extends NodeSample {
  /** With several, each, in the order of the urls; empty for one that did not answer. */
  readonly nodes?: readonly NodeSample[];
}

/** Looks at the nodes under load: at their processes when they are local, else at what their /metrics tell. */
export class ServerProbe {
  readonly #nodes: Node[];

  constructor(urls: readonly string[], pid?: number) {
    this.#nodes = urls.map((url, at) => new Node(url, at === 0 ? pid : undefined));
  }

  /** Of the worst node. */
  loopBetween(fromUs: number, toUs: number): LoopDelay {
    return worstOf(this.#nodes.map(({ loop }) => loop.between(fromUs, toUs)));
  }

  async sample(): Promise<ServerSample> {
    const samples = await Promise.all(this.#nodes.map((node) => node.sample()));
    return { ...together(samples), ...(samples.length > 1 ? { nodes: samples } : {}) };
  }
}

function together(samples: readonly NodeSample[]): NodeSample {
  const figure = (name: keyof NodeSample, of: (values: number[]) => number) => {
    const values = samples.map((sample) => sample[name]).filter((value) => value !== undefined);
    return values.length === 0 ? {} : { [name]: of(values) };
  };
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const most = (values: number[]) => Math.max(...values);
  return {
    ...figure('cpuPct', sum),
    ...figure('rssMiB', sum),
    ...figure('connections', sum),
    ...figure('loopP99Ms', most),
    ...figure('loopMaxMs', most),
  };
}

class Node {
  readonly loop = new LoopDelays();
  readonly #url: string;
  #process: ServerProcess | undefined;
  #cpu: { sec: number; at: number } | undefined;
  /** It has no metrics, or does not show them. */
  #silent = false;

  constructor(url: string, pid: number | undefined) {
    this.#url = url;
    this.#find(pid);
  }

  async sample(): Promise<NodeSample> {
    const told = await this.#scrape();
    const seen = this.#process?.sample();
    // It was started again: another process on the same port.
    if (seen === undefined && this.#process !== undefined) this.#find();
    return { ...told, ...seen };
  }

  #find(pid: number | undefined = findServer(this.#url)): void {
    try {
      if (pid !== undefined) this.#process = new ServerProcess(pid);
    } catch {
      // Gone again; the next look finds the one after it.
    }
  }

  async #scrape(): Promise<NodeSample> {
    if (this.#silent) return {};
    const askedUs = nowUs();
    try {
      const response = await fetch(`${this.#url}/metrics`, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) });
      const metrics = await response.text();
      if (response.ok) {
        this.loop.add({ metrics, askedUs, answeredUs: nowUs() });
        return this.#read(metrics);
      }
      this.#silent = response.status < 500;
    } catch {
      // Busy, or gone: it may come back.
    }
    return {};
  }

  #read(metrics: string): NodeSample {
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1] ?? Number.NaN);
    const [sec, at, before] = [value('process_cpu_seconds_total'), performance.now() / 1_000, this.#cpu];
    this.#cpu = { sec, at };
    const [connections, loopP99Ms] = [value('gapless_ws_connections'), value('nodejs_eventloop_lag_p99_seconds') * 1_000];
    // A server that was started again counts from zero.
    const known = before !== undefined && sec >= before.sec;
    return {
      ...(known ? { cpuPct: ((sec - before.sec) / (at - before.at)) * 100, rssMiB: value('process_resident_memory_bytes') / 2 ** 20 } : {}),
      ...(Number.isNaN(connections) ? {} : { connections }),
      ...(Number.isNaN(loopP99Ms) ? {} : { loopP99Ms, loopMaxMs: value('nodejs_eventloop_lag_max_seconds') * 1_000 }),
    };
  }
}
