import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadClient } from './client.ts';
import { nowUs } from './clock.ts';
import { LoadContext } from './context.ts';
import { HistoryWriter } from './history-writer.ts';
import type { ToWorker, WorkerResult } from './messages.ts';
import { connectAll, Pace, until } from './pace.ts';
import { type Arrived, histogramData } from './stats.ts';
import { tallyOf } from './tally.ts';
import { openPort } from './worker-port.ts';

// One worker of the generator, a thread or a process: connects its clients, sends by the clock, drains, and gives what it counted.

const POLL_MS = 20;
const TELL_MS = 1_000;

const port = await openPort();
const { options, plans, run, name } = port.input;
const { tell } = port;
const history = options.history === undefined ? undefined : new HistoryWriter(join(options.history, `${name}.ndjson`), name);
const context = new LoadContext(run, options, history);
const clients = plans.map((plan) => new LoadClient(plan, context));

const inbox: ToWorker[] = [];
let wake = () => {};
const storm = Promise.withResolvers<void>();
port.onMessage((message) => {
  if (message.t === 'stormOver') return storm.resolve();
  inbox.push(message);
  wake();
});

async function next<T extends ToWorker['t']>(t: T): Promise<Extract<ToWorker, { t: T }>> {
  while (inbox[0]?.t !== t) await new Promise<void>((resolve) => (wake = resolve));
  return inbox.shift() as Extract<ToWorker, { t: T }>;
}

function usedUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

if (options.mode !== 'connect') {
  let connected = 0;
  const telling = setInterval(() => tell({ t: 'connected', count: connected }), TELL_MS);
  await connectAll(clients, context, () => connected++);
  clearInterval(telling);
  tell({ t: 'connected', count: connected });
}
tell({ t: 'ready' });
const { startUs } = await next('start');
context.measureFromUs = startUs + options.warmUpMs * 1_000;
const report = () => tell({ t: 'progress', counts: context.counts, window: context.window.take(), cpuUs: usedUs(), atUs: nowUs() });
const progress = setInterval(report, TELL_MS);
const cpu = usedUs();
const warm = until(context.measureFromUs).then(arrived);
const pace = new Pace(clients, context, startUs, { tellReturned: () => tell({ t: 'returned' }), over: storm.promise });
await pace.run();
const cpuPct = (usedUs() - cpu) / 10 / options.durationMs;

const stopped = arrived();
const stoppedUs = stopped.atUs;
const rates = ratesBetween(await warm, stopped);
const deadlineUs = stoppedUs + options.drainTimeoutMs * 1_000;
if (options.mode !== 'connect') context.draining = true;
if (context.draining) for (const client of clients) client.hurry();
await pace.stormOver(deadlineUs);
await all((client) => client.answered);
tell({ t: 'stopped', heads: context.heads });
const { heads } = await next('drain');
const headOf = (client: LoadClient) => heads.get(client.plan.cid) ?? 0;
await all((client) => client.over || client.receiver.tracker === undefined || client.receiver.has(headOf(client)));
const drainMs = (nowUs() - stoppedUs) / 1_000;
clearInterval(progress);
report();
for (const client of clients) client.finish();
history?.close();
tell({ t: 'result', ...result() });

/** Until it is true of every client, or the time of the drain is over. */
async function all(done: (client: LoadClient) => boolean): Promise<void> {
  let waiting: readonly LoadClient[] = clients;
  while (nowUs() < deadlineUs) {
    waiting = waiting.filter((client) => !done(client));
    if (waiting.length === 0) return;
    await sleep(POLL_MS);
  }
}

function arrived(): Arrived & { readonly atUs: number } {
  const { saved, received } = context.counts;
  return { saved, received, atUs: nowUs() };
}

function ratesBetween(from: ReturnType<typeof arrived>, to: ReturnType<typeof arrived>): Arrived {
  const seconds = Math.max(1, to.atUs - from.atUs) / 1e6;
  return { saved: (to.saved - from.saved) / seconds, received: (to.received - from.received) / seconds };
}

function result(): WorkerResult {
  const { counts, histograms, errors, kicks, lost } = context;
  const { expected, delivered, behind } = tallyOf(clients.map((client) => ({ head: headOf(client), receiver: client.receiver })));
  for (const { receiver } of clients) {
    counts.duplicates += receiver.tracker?.duplicates ?? 0;
    counts.gaps += receiver.tracker?.gaps ?? 0;
    counts.reorders += receiver.tracker?.reorders ?? 0;
  }
  const drained = { saved: counts.saved - stopped.saved, received: counts.received - stopped.received };
  const { stormMs, cutUs } = pace;
  const cut = { ...(stormMs === undefined ? {} : { stormMs }), ...(cutUs === undefined ? {} : { cutUs }) };
  return {
    ...{ counts, histograms: histogramData(histograms), rates, drained, expected, delivered },
    ...{ lost, errors, kicks, cpuPct, drainMs, behind, ...cut },
  };
}
