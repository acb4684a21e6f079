import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckResult } from '../check/check.ts';
import { checkFiles } from '../check/files.ts';
import { serverLog } from '../check/server-log.ts';
import { signToken } from '../token.ts';
import { nowUs } from './clock.ts';
import { FILES_BESIDE, openFilesMax } from './file-limit.ts';
import { Generator } from './generator.ts';
import type { WorkerResult } from './messages.ts';
import { Meter } from './meter.ts';
import type { ClientPlan, LoadOptions } from './options.ts';
import { LoadError, makePlans } from './plan.ts';
import { type LoadResult, type Loops, type Second, summarise } from './result.ts';
import { ServerProbe } from './server-probe.ts';
import { sharesOf } from './threads.ts';

/** Workers are told the start this long ahead. */
const HEAD_START_US = 100_000;
const LOGS_AT_ONCE = 10;
const CONNECTING_TOLD_MS = 5_000;

export interface RunHooks {
  /** Of the server; looked for by its port when absent. */
  pid?: number;
  onSecond?: (second: Second) => void;
  /** What goes on before and after the seconds. */
  onPhase?: (text: string) => void;
  /** Files that one process may open; as the system says when absent. */
  filesMax?: number;
}

/** Runs one load and resolves to what was measured. Nothing is judged here. @throws LoadError the run could not start */
export async function runLoad(options: LoadOptions, { pid, onSecond, onPhase = () => {}, filesMax }: RunHooks = {}): Promise<LoadResult> {
  const run = `L${Date.now().toString(36)}`;
  if (options.history !== undefined) mkdirSync(options.history, { recursive: true });
  onPhase(`creating ${options.clients} users and their conversations`);
  const plans = await makePlans(run, options);
  const workers = startWorkers(options, run, plans, filesMax);
  const measured = await measure(options, workers, { pid, onSecond, onPhase }).finally(() =>
    Promise.all(workers.map((worker) => worker.end())),
  );
  if (options.history !== undefined) onPhase('checking the histories');
  const check = options.history === undefined ? undefined : await checkRun(options, workers, plans);
  const { results, seconds, loop } = measured;
  return summarise(options, results, seconds, { loop, ...(check === undefined ? {} : { check }) });
}

/** From the connections to the end of the drain. */
async function measure(
  options: LoadOptions,
  workers: readonly Generator[],
  { pid, onSecond, onPhase }: { pid: number | undefined; onSecond: RunHooks['onSecond']; onPhase: (text: string) => void },
): Promise<{ results: WorkerResult[]; seconds: readonly Second[]; loop: Loops }> {
  await connected(workers, options, onPhase);
  const probe = new ServerProbe(options.urls, pid);
  await probe.sample();
  const meter = new Meter(workers, probe, onSecond);
  const startUs = nowUs() + HEAD_START_US;
  for (const worker of workers) worker.tell({ t: 'start', startUs });
  void Promise.all(workers.map((worker) => worker.returned)).then(() => {
    for (const worker of workers) worker.tell({ t: 'stormOver' });
  });
  const stopped = await Promise.all(workers.map((worker) => worker.next('stopped')));
  onPhase('sending is over; waiting until everyone has everything');
  const heads = new Map<string, number>();
  for (const worker of stopped) for (const [cid, head] of worker.heads) heads.set(cid, Math.max(heads.get(cid) ?? 0, head));
  for (const worker of workers) worker.tell({ t: 'drain', heads });
  const results: WorkerResult[] = await Promise.all(workers.map((worker) => worker.next('result')));
  await meter.stop();
  return { results, seconds: meter.seconds, loop: loopsOf(probe, options, startUs, results) };
}

/** The measured part of the run, and the storm: from the first cut until the last one was back. */
function loopsOf(probe: ServerProbe, { warmUpMs, durationMs }: LoadOptions, startUs: number, results: readonly WorkerResult[]): Loops {
  const run = probe.loopBetween(startUs + warmUpMs * 1_000, startUs + durationMs * 1_000);
  const cuts = results.flatMap(({ cutUs }) => cutUs ?? []);
  if (cuts.length === 0) return { run };
  const back = results.map(({ cutUs, stormMs }) => (cutUs ?? Infinity) + (stormMs ?? Infinity) * 1_000);
  return { run, storm: probe.loopBetween(Math.min(...cuts), Math.max(...back)) };
}

export function startWorkers(
  options: LoadOptions,
  run: string,
  plans: readonly ClientPlan[],
  filesMax: number = openFilesMax(),
): Generator[] {
  const { ownProcess, shares } = sharesOf(plans, options, Math.max(1, filesMax - FILES_BESIDE));
  return shares.map((share, n) => new Generator({ options, run, name: `${run}-${n}`, plans: share }, { ownProcess }));
}

export async function connected(
  workers: readonly Generator[],
  { clients, mode }: LoadOptions,
  onPhase: (text: string) => void,
): Promise<void> {
  const startedUs = nowUs();
  const total = () => workers.reduce((sum, worker) => sum + worker.connected, 0);
  const timer = setInterval(() => onPhase(`connected ${total()} of ${clients}`), CONNECTING_TOLD_MS);
  try {
    await Promise.all(workers.map((worker) => worker.next('ready')));
  } finally {
    clearInterval(timer);
  }
  if (mode !== 'connect') onPhase(`connected ${total()} of ${clients} in ${((nowUs() - startedUs) / 1e6).toFixed(1)} s`);
}

/** Adds the server's log to the histories, and checks them. */
async function checkRun(options: LoadOptions, workers: readonly Generator[], plans: readonly ClientPlan[]): Promise<CheckResult> {
  const files = workers.map(({ name }) => join(options.history!, `${name}.ndjson`));
  const final = join(options.history!, `${workers[0]!.name.split('-')[0]}-final.ndjson`);
  writeFileSync(final, '');
  const conversations = [...new Map(plans.map((plan) => [plan.cid, plan])).values()];
  const url = await firstReady(options.urls);
  const readSome = async () => {
    for (let plan = conversations.pop(); plan !== undefined; plan = conversations.pop()) {
      const lines: string[] = [];
      const token = signToken(options.jwtSecret, plan.user);
      for await (const event of serverLog({ url, token, cid: plan.cid })) lines.push(`${JSON.stringify(event)}\n`);
      writeFileSync(final, lines.join(''), { flag: 'a' });
    }
  };
  await Promise.all(Array.from({ length: LOGS_AT_ONCE }, readSome));
  return checkFiles([...files, final]);
}

/** Any node tells the same; some may be gone. */
async function firstReady(urls: readonly string[]): Promise<string> {
  for (const url of urls) {
    const response = await fetch(`${url}/readyz`).catch(() => undefined);
    if (response?.ok === true) return url;
  }
  throw new LoadError('no node is ready, so the histories cannot be checked');
}
