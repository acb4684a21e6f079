import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { CheckResult } from '../check/check.ts';
import { checkFiles } from '../check/files.ts';
import { serverLog } from '../check/server-log.ts';
import { signToken } from '../token.ts';
import type { FromWorker, ToWorker, WorkerInput, WorkerResult } from './messages.ts';
import { nowUs } from './mid.ts';
import type { ClientPlan, LoadOptions } from './options.ts';
import { makePlans } from './plan.ts';
import { type LoadResult, type Second, summarise } from './result.ts';
import { findServer, ServerProcess } from './server-process.ts';
import { type Counts, createCounts } from './stats.ts';

/** Workers are told the start this long ahead. */
const HEAD_START_US = 100_000;

export interface RunHooks {
  /** Of the server; looked for by its port when absent. */
  pid?: number;
  onSecond?: (second: Second) => void;
}

/** Runs one load and resolves to what was measured. Nothing is judged here. @throws LoadError the run could not start */
export async function runLoad(options: LoadOptions, { pid = findServer(options.urls[0]!), onSecond }: RunHooks = {}): Promise<LoadResult> {
  const run = `L${Date.now().toString(36)}`;
  if (options.history !== undefined) mkdirSync(options.history, { recursive: true });
  const plans = await makePlans(run, options);
  const count = Math.min(options.workers, options.clients);
  const workers = Array.from({ length: count }, (_, n) => {
    const input = { options, run, name: `${run}-${n}`, plans: plans.filter(({ index }) => index % count === n) };
    return new Generator(input satisfies WorkerInput);
  });
  await Promise.all(workers.map((worker) => worker.next('ready')));
  const meter = new Meter(workers, pid, onSecond);
  for (const worker of workers) worker.tell({ t: 'start', startUs: nowUs() + HEAD_START_US });
  const stopped = await Promise.all(workers.map((worker) => worker.next('stopped')));
  meter.stop();
  const heads = new Map<string, number>();
  for (const worker of stopped) for (const [cid, head] of worker.heads) heads.set(cid, Math.max(heads.get(cid) ?? 0, head));
  for (const worker of workers) worker.tell({ t: 'drain', heads });
  const results: WorkerResult[] = await Promise.all(workers.map((worker) => worker.next('result')));
  const check = options.history === undefined ? undefined : await checkRun(options, workers, plans);
  return summarise(options, results, meter.seconds, check);
}

/** Adds the server's log to the histories, and checks them. */
async function checkRun(options: LoadOptions, workers: readonly Generator[], plans: readonly ClientPlan[]): Promise<CheckResult> {
  const files = workers.map(({ name }) => join(options.history!, `${name}.ndjson`));
  const final = join(options.history!, `${workers[0]!.name.split('-')[0]}-final.ndjson`);
  writeFileSync(final, '');
  for (const { cid, user } of new Map(plans.map((plan) => [plan.cid, plan])).values()) {
    const lines: string[] = [];
    for await (const event of serverLog({ url: options.urls[0]!, token: signToken(options.jwtSecret, user), cid }))
      lines.push(`${JSON.stringify(event)}\n`);
    writeFileSync(final, lines.join(''), { flag: 'a' });
  }
  return checkFiles([...files, final]);
}

/** A worker thread, and what it says. */
class Generator {
  readonly name: string;
  counts: Counts = createCounts();
  readonly #worker: Worker;
  readonly #said: FromWorker[] = [];
  #failed: Error | undefined;
  #wake = () => {};

  constructor(input: WorkerInput) {
    this.name = input.name;
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: input });
    this.#worker.on('message', (message: FromWorker) => {
      if (message.t === 'progress') this.counts = message.counts;
      else this.#said.push(message);
      this.#wake();
    });
    this.#worker.on('error', (error) => {
      this.#failed = error as Error;
      this.#wake();
    });
  }

  tell(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  async next<T extends FromWorker['t']>(t: T): Promise<Extract<FromWorker, { t: T }>> {
    while (this.#said[0]?.t !== t) {
      if (this.#failed !== undefined) throw this.#failed;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#said.shift() as Extract<FromWorker, { t: T }>;
  }
}

/** Looks once a second at the workers and at the server. */
class Meter {
  readonly seconds: Second[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(workers: readonly Generator[], pid: number | undefined, onSecond: RunHooks['onSecond']) {
    const server = pid === undefined ? undefined : new ServerProcess(pid);
    let before = createCounts();
    this.#timer = setInterval(() => {
      const now = createCounts();
      for (const { counts } of workers) for (const name of ['sent', 'saved', 'received'] as const) now[name] += counts[name];
      const { sent, saved, received } = now;
      const second: Second = {
        second: this.seconds.length + 1,
        sent: sent - before.sent,
        saved: saved - before.saved,
        received: received - before.received,
        ...server?.sample(),
      };
      before = now;
      this.seconds.push(second);
      onSecond?.(second);
    }, 1_000);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
