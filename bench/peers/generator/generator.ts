import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { clientsOf, type Layout, threadOf } from '../layout.ts';
import type { Target } from './client.ts';
import type { DialectName } from './dialects.ts';
import { Latencies, type Percentiles } from './latencies.ts';
import { type Counted, type FromThread, PROGRESS, type ThreadInput, type ToThread } from './messages.ts';
import { nowUs } from './schedule.ts';

/** One core is the server's. */
const THREADS = Math.max(1, Math.min(4, availableParallelism() - 1));
const POLL_MS = 25;
/** From the order to start until the first message is due. */
const HEAD_START_US = 50_000;

export interface StepOptions {
  readonly ratePerSec: number;
  /** Before what is measured, at the same rate. */
  readonly warmUpSec: number;
  readonly seconds: number;
  /** More than this is on its way: the server cannot keep up, and the step ends. Seconds of sending. */
  readonly hopelessSec: number;
  /** How long what was sent may take to arrive, after the last message. */
  readonly drainSec: number;
}

export interface Observed {
  readonly sent: number;
  readonly expected: number;
  readonly received: number;
  readonly acked: number;
  readonly lost: number;
  readonly misplaced: number;
  readonly misread: number;
  readonly closed: number;
  /** It was ended before its time as hopeless. */
  readonly halted: boolean;
  readonly e2e: Percentiles | undefined;
  /** Of `e2e`: what was to be sent in its first, and in its last second. */
  readonly firstSec: Percentiles | undefined;
  readonly lastSec: Percentiles | undefined;
  readonly ack: Percentiles | undefined;
  readonly lagP99Ms: number;
  /** All threads of the generator, 100 for one core. */
  readonly generatorCpuPct: number;
}

/** Clients that send by the clock and count what comes, in threads of this process. */
export class Generator {
  readonly #threads: readonly Worker[];
  readonly #layout: Layout;
  readonly #progress: Float64Array;
  #next = 0;

  private constructor(threads: readonly Worker[], layout: Layout, progress: SharedArrayBuffer) {
    this.#threads = threads;
    this.#layout = layout;
    this.#progress = new Float64Array(progress);
  }

  /** Resolves when every client is in its room. */
  static async open(layout: Layout, dialect: DialectName, targets: readonly Target[]): Promise<Generator> {
    if (targets.length !== clientsOf(layout)) throw new Error(`${targets.length} targets for ${clientsOf(layout)} clients`);
    const progress = new SharedArrayBuffer(THREADS * PROGRESS.fields * Float64Array.BYTES_PER_ELEMENT);
    const threads = Array.from({ length: THREADS }, (_, thread) => {
      const own = targets.filter((_, client) => threadOf(client, THREADS) === thread);
      const input: ThreadInput = { thread, threads: THREADS, layout, dialect, targets: own, progress };
      return new Worker(new URL('./thread.ts', import.meta.url), { workerData: input });
    });
    const generator = new Generator(threads, layout, progress);
    await Promise.all(threads.map((thread) => once(thread, 'message')));
    return generator;
  }

  /** Sends at one rate, and waits until everything has arrived or will not. */
  async step(options: StepOptions): Promise<Observed> {
    const { ratePerSec, warmUpSec, seconds } = options;
    const first = this.#next;
    const count = Math.round(ratePerSec * (warmUpSec + seconds));
    const measureFrom = first + Math.round(ratePerSec * warmUpSec);
    this.#next += count;
    const cpu = process.cpuUsage();
    const started = performance.now();
    this.#tell({ t: 'step', schedule: { first, count, measureFrom, startUs: nowUs() + HEAD_START_US, intervalUs: 1e6 / ratePerSec } });
    const halted = await this.#arrival(count, options);
    const used = process.cpuUsage(cpu);
    const generatorCpuPct = (used.user + used.system) / 10 / (performance.now() - started);
    const closed = this.#sum(PROGRESS.closed);
    return { ...merge(await this.#counted(), this.#layout), closed, halted, generatorCpuPct };
  }

  async close(): Promise<void> {
    const ended = this.#threads.map((thread) => once(thread, 'exit'));
    this.#tell({ t: 'end' });
    await Promise.all(ended);
  }

  /** Whether the step was given up. */
  async #arrival(count: number, { ratePerSec, hopelessSec, drainSec }: StepOptions): Promise<boolean> {
    const { roomSize } = this.#layout;
    let until = Number.POSITIVE_INFINITY;
    let halted = false;
    while (performance.now() < until) {
      await sleep(POLL_MS);
      const sent = this.#sum(PROGRESS.sent);
      const missing = sent * roomSize - this.#sum(PROGRESS.received);
      const over = halted || sent === count;
      if (over && missing <= 0 && this.#acksAreIn(sent)) break;
      if (over && until === Number.POSITIVE_INFINITY) until = performance.now() + drainSec * 1_000;
      if (over || (missing <= hopelessSec * ratePerSec * roomSize && this.#sum(PROGRESS.closed) === 0)) continue;
      halted = true;
      this.#tell({ t: 'halt' });
    }
    return halted;
  }

  /** A server that answers none is not waited for. */
  #acksAreIn(sent: number): boolean {
    const acked = this.#sum(PROGRESS.acked);
    return acked === 0 || acked >= sent;
  }

  #sum(field: number): number {
    return this.#threads.reduce((sum, _, thread) => sum + this.#progress[thread * PROGRESS.fields + field]!, 0);
  }

  async #counted(): Promise<Counted[]> {
    const answers = this.#threads.map(async (thread) => (await once(thread, 'message'))[0] as FromThread);
    this.#tell({ t: 'finish' });
    return (await Promise.all(answers)).filter((message) => message.t === 'counted');
  }

  #tell(message: ToThread): void {
    for (const thread of this.#threads) thread.postMessage(message);
  }
}

function merge(parts: readonly Counted[], { roomSize }: Layout) {
  const sum = (field: 'sent' | 'received' | 'acked' | 'lost' | 'misplaced' | 'misread') =>
    parts.reduce((total, part) => total + part[field], 0);
  const percentiles = (field: 'e2e' | 'firstSec' | 'lastSec' | 'ack' | 'lag') => {
    const all = new Latencies();
    for (const part of parts) all.add(part[field]);
    return all.percentiles();
  };
  return {
    sent: sum('sent'),
    expected: sum('sent') * roomSize,
    received: sum('received'),
    acked: sum('acked'),
    lost: sum('lost'),
    misplaced: sum('misplaced'),
    misread: sum('misread'),
    e2e: percentiles('e2e'),
    firstSec: percentiles('firstSec'),
    lastSec: percentiles('lastSec'),
    ack: percentiles('ack'),
    lagP99Ms: percentiles('lag')?.p99 ?? 0,
  };
}
