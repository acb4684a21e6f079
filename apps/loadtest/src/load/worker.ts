import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { LoadClient } from './client.ts';
import { LoadContext } from './context.ts';
import { HistoryWriter } from './history-writer.ts';
import type { FromWorker, ToWorker, WorkerInput } from './messages.ts';
import { nowUs } from './mid.ts';
import { connectAll, Pace } from './pace.ts';

// One thread of the generator: connects its clients, sends by the clock, drains, and gives what it counted.

/** For what is still on its way when sending ends. */
const DRAIN_MS = 5_000;
const POLL_MS = 20;

const { options, plans, run, name } = workerData as WorkerInput;
const history = options.history === undefined ? undefined : new HistoryWriter(join(options.history, `${name}.ndjson`), name);
const context = new LoadContext(run, options, history);
const clients = plans.map((plan) => new LoadClient(plan, context));
const tell = (message: FromWorker) => parentPort!.postMessage(message);

const inbox: ToWorker[] = [];
let wake = () => {};
parentPort!.on('message', (message: ToWorker) => {
  inbox.push(message);
  wake();
});

async function next<T extends ToWorker['t']>(t: T): Promise<Extract<ToWorker, { t: T }>> {
  while (inbox[0]?.t !== t) await new Promise<void>((resolve) => (wake = resolve));
  return inbox.shift() as Extract<ToWorker, { t: T }>;
}

if (options.mode !== 'connect') await connectAll(clients, context);
tell({ t: 'ready' });
const { startUs } = await next('start');
context.measureFromUs = startUs + options.warmUpMs * 1_000;
const progress = setInterval(() => tell({ t: 'progress', counts: context.counts }), 1_000);
const cpu = process.threadCpuUsage();
await new Pace(clients, context, startUs).run();
const used = process.threadCpuUsage(cpu);
tell({ t: 'stopped', heads: context.heads });
const { heads } = await next('drain');
clearInterval(progress);
await drain(heads);
for (const client of clients) client.finish();
history?.close();
tell({ t: 'result', ...tally(heads) });
parentPort!.close();

/** Until everyone has the newest message and every message an answer. */
async function drain(heads: ReadonlyMap<string, number>): Promise<void> {
  for (const client of clients) client.hurry();
  const readers = clients.filter(({ plan }) => !plan.noRead);
  const until = nowUs() + DRAIN_MS * 1_000;
  while (nowUs() < until) {
    const done = readers.every((client) => (client.tracker?.next ?? 1) > (heads.get(client.plan.cid) ?? 0));
    if (done && context.counts.saved + refused() >= context.counts.sent) return;
    if (done && options.mode === 'ping' && context.counts.received >= context.counts.sent) return;
    if (options.mode === 'connect') return;
    await sleep(POLL_MS);
  }
}

function refused(): number {
  return [...context.errors].reduce((sum, [code, count]) => sum + (code.startsWith('closed') ? 0 : count), 0);
}

function tally(heads: ReadonlyMap<string, number>) {
  const { counts, histograms } = context;
  let expected = 0;
  let delivered = 0;
  for (const { plan, tracker, from } of clients) {
    if (tracker === undefined || plan.noRead) continue;
    expected += Math.max(0, (heads.get(plan.cid) ?? 0) - from);
    delivered += tracker.received;
    counts.duplicates += tracker.duplicates;
    counts.gaps += tracker.gaps;
    counts.reorders += tracker.reorders;
  }
  const cpuPct = (used.user + used.system) / 10 / options.durationMs;
  return { counts, histograms, expected, delivered, errors: context.errors, cpuPct };
}
