import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { nowUs } from './clock.ts';
import type { Generator } from './generator.ts';
import type { ClientPlan, LoadOptions } from './options.ts';
import { GENERATOR_CPU_MAX_PCT } from './result.ts';
import { connected, startWorkers } from './run.ts';
import type { FromSink, SinkInput, ToSink } from './sink.ts';
import { Window } from './window.ts';

const FIRST_PER_SEC = 25;
/** Let each rate settle, then look at it for so long. */
const SETTLE_MS = 1_100;
const LOOK_MS = 2_000;
const STEPS_MAX = 16;
/** Between the last rate that held and the first that did not. */
const HALVINGS = 2;
/** Of the offered rate. */
const TAKEN_MIN = 0.95;

export interface SelfTestStep {
  readonly messagesPerSec: number;
  /** Messages offered to all receivers together, and what they took. */
  readonly offeredPerSec: number;
  readonly takenPerSec: number;
  /** Messages in one read of the kernel: the more, the cheaper. */
  readonly messagesPerRead: number;
  /** Of the busiest thread, and of the sink. */
  readonly generatorCpuPct: number;
  readonly sinkCpuPct: number;
  /** CPU of the generator for one message received. */
  readonly cpuUsPerMessage: number;
  readonly p99Ms: number;
  readonly held: boolean;
}

export interface SelfTestResult {
  readonly at: string;
  readonly receivers: number;
  readonly workers: number;
  readonly bodyBytes: number;
  readonly steps: readonly SelfTestStep[];
  /** The most that was taken with every thread below 80 % of a core. */
  readonly ceilingPerSec: number;
  readonly cpuUsPerMessage: number;
  /** The sink had no more to give: the generator takes at least this. */
  readonly atLeast: boolean;
}

/** Finds what the generator itself can take: the same clients, but nothing behind them that costs. */
export async function selfTest(
  options: LoadOptions,
  { onStep = () => {}, stepsMax = STEPS_MAX }: { onStep?: (step: SelfTestStep) => void; stepsMax?: number } = {},
): Promise<SelfTestResult> {
  const run = `S${Date.now().toString(36)}`;
  const { bodyBytes, clients } = options;
  const sink = await Sink.start({ run, bodyBytes });
  const url = `http://127.0.0.1:${sink.port}`;
  const plans = Array.from({ length: clients }, (_, index): ClientPlan => {
    return { index, user: `${run}-u${index}`, cid: SINK_CID, node: 0, sends: false, role: 'fast', steady: false };
  });
  const workers = startWorkers({ ...options, urls: [url], mode: 'group', durationMs: 3_600_000 }, run, plans);
  try {
    await connected(workers, options, () => {});
    for (const worker of workers) worker.tell({ t: 'start', startUs: nowUs() });
    const steps = await ramp((perSec) => look(sink, workers, perSec, clients), stepsMax, onStep);
    return { at: new Date().toISOString(), receivers: clients, workers: workers.length, bodyBytes, steps, ...conclude(steps) };
  } finally {
    await Promise.all([sink.end(), ...workers.map((worker) => worker.end())]);
  }
}

/** Of the length that a server's has. */
const SINK_CID = 'sink-of-the-same-length-26c';

/** Doubles until a rate does not hold, then halves the distance. */
async function ramp(
  run: (perSec: number) => Promise<SelfTestStep>,
  stepsMax: number,
  onStep: (step: SelfTestStep) => void,
): Promise<SelfTestStep[]> {
  const steps: SelfTestStep[] = [];
  const step = async (perSec: number) => {
    const done = await run(perSec);
    steps.push(done);
    onStep(done);
    return done.held;
  };
  let [good, bad] = [0, FIRST_PER_SEC];
  while (steps.length < stepsMax && (await step(bad))) [good, bad] = [bad, bad * 2];
  for (let i = 0; i < HALVINGS && good > 0 && good < bad && steps.length < stepsMax; i++) {
    const middle = Math.round((good + bad) / 2);
    if (await step(middle)) good = middle;
    else bad = middle;
  }
  return steps;
}

async function look(sink: Sink, workers: readonly Generator[], perSec: number, receivers: number): Promise<SelfTestStep> {
  sink.tell({ t: 'rate', perSec });
  await sleep(SETTLE_MS);
  const [from, sinkFrom] = [workers.map(read), await sink.report()];
  for (const { window } of workers) window.take();
  await sleep(LOOK_MS);
  const [to, sinkTo] = [workers.map(read), await sink.report()];
  const latency = new Window();
  for (const { window } of workers) latency.e2e.add(window.take().e2e);
  const spans = to.map((end, i) => {
    const start = from[i]!;
    const us = end.atUs - start.atUs;
    return { us, received: end.received - start.received, reads: end.reads - start.reads, cpuUs: end.cpuUs - start.cpuUs };
  });
  const sum = (value: (span: (typeof spans)[number]) => number) => spans.reduce((total, span) => total + value(span), 0);
  const received = sum((span) => span.received);
  const takenPerSec = sum((span) => (span.received / span.us) * 1e6);
  const generatorCpuPct = Math.max(...spans.map((span) => (span.cpuUs / span.us) * 100));
  return {
    messagesPerSec: perSec,
    offeredPerSec: perSec * receivers,
    takenPerSec,
    messagesPerRead:
      received /
      Math.max(
        1,
        sum((span) => span.reads),
      ),
    generatorCpuPct,
    sinkCpuPct: ((sinkTo.cpuUs - sinkFrom.cpuUs) / (sinkTo.atUs - sinkFrom.atUs)) * 100,
    cpuUsPerMessage: sum((span) => span.cpuUs) / Math.max(1, received),
    p99Ms: latency.e2e.percentile(99) / 1_000,
    held: takenPerSec >= TAKEN_MIN * perSec * receivers && generatorCpuPct <= GENERATOR_CPU_MAX_PCT,
  };
}

function read({ counts, cpuUs, atUs }: Generator) {
  return { received: counts.received, reads: counts.reads, cpuUs, atUs };
}

export function conclude(steps: readonly SelfTestStep[]): Pick<SelfTestResult, 'ceilingPerSec' | 'cpuUsPerMessage' | 'atLeast'> {
  const free = steps.filter(({ generatorCpuPct }) => generatorCpuPct <= GENERATOR_CPU_MAX_PCT);
  const best = free.toSorted((a, b) => b.takenPerSec - a.takenPerSec)[0];
  if (best === undefined) return { ceilingPerSec: 0, cpuUsPerMessage: steps[0]?.cpuUsPerMessage ?? 0, atLeast: false };
  const atLeast = steps.every(({ generatorCpuPct }) => generatorCpuPct <= GENERATOR_CPU_MAX_PCT);
  return { ceilingPerSec: best.takenPerSec, cpuUsPerMessage: best.cpuUsPerMessage, atLeast };
}

export function printStep(step: SelfTestStep): string {
  const whole = (value: number, width: number) => value.toFixed(0).padStart(width);
  return (
    `${whole(step.messagesPerSec, 7)} messages/s to each: offered ${whole(step.offeredPerSec, 8)}/s, took ${whole(step.takenPerSec, 8)}/s, ` +
    `${step.messagesPerRead.toFixed(1).padStart(5)} in a read, ${step.cpuUsPerMessage.toFixed(2).padStart(6)} µs each, ` +
    `generator ${whole(step.generatorCpuPct, 3)} %, sink ${whole(step.sinkCpuPct, 3)} %, p99 ${step.p99Ms.toFixed(1).padStart(7)} ms  ${step.held ? 'held' : 'not held'}`
  );
}

export function printSelfTest(result: SelfTestResult): string {
  const { receivers, workers, atLeast, ceilingPerSec, cpuUsPerMessage } = result;
  return (
    `The generator takes ${atLeast ? 'at least ' : ''}${ceilingPerSec.toFixed(0)} messages/s with ${receivers} receivers in ${workers} ` +
    `thread${workers === 1 ? '' : 's'} below ${GENERATOR_CPU_MAX_PCT} % of a core each, at ${cpuUsPerMessage.toFixed(2)} µs of CPU a message.`
  );
}

class Sink {
  readonly #worker: Worker;
  readonly #said: FromSink[] = [];
  #wake = () => {};
  port = 0;

  private constructor(input: SinkInput) {
    this.#worker = new Worker(new URL('./sink.ts', import.meta.url), { workerData: input });
    this.#worker.on('message', (message: FromSink) => {
      this.#said.push(message);
      this.#wake();
    });
  }

  static async start(input: SinkInput): Promise<Sink> {
    const sink = new Sink(input);
    const said = await sink.#next();
    if (said.t === 'listening') sink.port = said.port;
    return sink;
  }

  tell(message: ToSink): void {
    this.#worker.postMessage(message);
  }

  async report(): Promise<Extract<FromSink, { t: 'report' }>> {
    this.tell({ t: 'report' });
    return (await this.#next()) as Extract<FromSink, { t: 'report' }>;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  async #next(): Promise<FromSink> {
    while (this.#said.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#said.shift()!;
  }
}
