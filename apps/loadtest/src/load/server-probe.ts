import { nowUs } from './clock.ts';
import { type LoopDelay, LoopDelays, worstOf } from './loop-delay.ts';
import { findServer, ServerProcess } from './server-process.ts';

const SCRAPE_TIMEOUT_MS = 900;

export interface ServerSample {
  /** 100 for one whole core; all nodes together. */
  readonly cpuPct?: number;
  readonly rssMiB?: number;
  /** Delay of the event loop since the last look, of the worst node, its timer's 10 ms included. */
  readonly loopP99Ms?: number;
  readonly loopMaxMs?: number;
}

/** Looks at the nodes under load: at their processes when they are local, else at what their /metrics tell. */
export class ServerProbe {
  readonly #nodes: Node[];

  constructor(urls: readonly string[], pid?: number) {
    this.#nodes = urls.map((url, at) => new Node(url, at === 0 && pid !== undefined ? pid : findServer(url)));
  }

  /** Of the worst node. */
  loopBetween(fromUs: number, toUs: number): LoopDelay {
    return worstOf(this.#nodes.map(({ loop }) => loop.between(fromUs, toUs)));
  }

  async sample(): Promise<ServerSample> {
    const samples = await Promise.all(this.#nodes.map((node) => node.sample()));
    const all = (name: keyof ServerSample) => samples.map((sample) => sample[name]).filter((value) => value !== undefined);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    return {
      ...(all('cpuPct').length > 0 ? { cpuPct: sum(all('cpuPct')), rssMiB: sum(all('rssMiB')) } : {}),
      ...(all('loopP99Ms').length > 0 ? { loopP99Ms: Math.max(...all('loopP99Ms')), loopMaxMs: Math.max(...all('loopMaxMs')) } : {}),
    };
  }
}

class Node {
  readonly loop = new LoopDelays();
  readonly #url: string;
  readonly #process: ServerProcess | undefined;
  #cpu: { sec: number; at: number } | undefined;
  #silent = false;

  constructor(url: string, pid: number | undefined) {
    this.#url = url;
    this.#process = pid === undefined ? undefined : new ServerProcess(pid);
  }

  async sample(): Promise<ServerSample> {
    const told = await this.#scrape();
    const seen = this.#process?.sample();
    return { ...told, ...seen };
  }

  /** A node that does not answer in time is not asked again. */
  async #scrape(): Promise<ServerSample> {
    if (this.#silent) return {};
    const askedUs = nowUs();
    try {
      const response = await fetch(`${this.#url}/metrics`, { signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS) });
      const metrics = await response.text();
      if (response.ok) {
        this.loop.add({ metrics, askedUs, answeredUs: nowUs() });
        return this.#read(metrics);
      }
      this.#silent = true;
    } catch (error) {
      // A busy server is late; one that is gone stays so.
      this.#silent = (error as Error).name !== 'TimeoutError';
    }
    return {};
  }

  #read(metrics: string): ServerSample {
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1] ?? Number.NaN);
    const [sec, at, before] = [value('process_cpu_seconds_total'), performance.now() / 1_000, this.#cpu];
    this.#cpu = { sec, at };
    const loop = {
      loopP99Ms: value('nodejs_eventloop_lag_p99_seconds') * 1_000,
      loopMaxMs: value('nodejs_eventloop_lag_max_seconds') * 1_000,
    };
    return {
      ...(before === undefined || Number.isNaN(sec)
        ? {}
        : { cpuPct: ((sec - before.sec) / (at - before.at)) * 100, rssMiB: value('process_resident_memory_bytes') / 2 ** 20 }),
      ...(Number.isNaN(loop.loopP99Ms) ? {} : loop),
    };
  }
}
