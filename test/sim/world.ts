import type { Clock } from '@gapless/kit';
import { restartUlids } from '../../packages/kit/src/ids.ts';
import { restartUlids as restartClientUlids } from '../../packages/sdk/src/ulid.ts';
import { EventHash } from './event-hash.ts';
import { mix, type Random } from './random.ts';

/** When every run begins; epoch milliseconds. */
export const EPOCH = 1_750_000_000_000;

/** Timers of 0 are of 1, as in Node. */
const TIMER_MIN_MS = 1;

/** No run needs half as many: something keeps itself busy. */
const TASKS_MAX = 500_000;

/** Lines kept of a traced run. */
const TRACE_MAX = 20_000;

/** What runs on one machine: a node, a client, or the world around them. What it has still to do dies with it. */
export interface SimProcess {
  readonly id: number;
  readonly name: string;
  alive: boolean;
  /** It stands still until then. */
  pausedUntil: number;
  /** In all, at most. */
  stoodStillMs: number;
  /** What it has to do by then. */
  readonly held: Task[];
  /** How far its clock is ahead. */
  skewMs: number;
}

export interface Task {
  at: number;
  tie: number;
  n: number;
  readonly process: SimProcess;
  readonly run: () => void;
  cancelled: boolean;
}

/**
 * Time, and who does what next. Everything in a run is a task on this one line, sorted by its time; what is due at the very same time
 * goes by the seed, but for one process in the order in which it was asked for. Between two tasks all promises run that can.
 */
export class World {
  readonly random: Random;
  readonly hash = new EventHash();
  /** Milliseconds since the beginning, with fractions. */
  now = 0;
  /** Whose task runs. */
  current: SimProcess;
  /** Network, disk, and whoever causes the faults: never dies, never stands still. */
  readonly outside: SimProcess;
  tasks = 0;
  stopped = false;
  /** Errors that nobody caught, and what the product itself logs as one. */
  readonly crashes: string[] = [];
  /** Undefined: not traced. */
  readonly trace: string[] | undefined;
  readonly counts = new Map<string, number>();
  readonly #tieSeed: number;
  readonly #heap: Task[] = [];
  #n = 0;
  #processes = 0;

  constructor(random: Random, { traced = false }: { traced?: boolean } = {}) {
    this.random = random;
    this.#tieSeed = random.fork('ties').below(2 ** 31);
    this.trace = traced ? [] : undefined;
    this.outside = this.spawn('world');
    this.current = this.outside;
  }

  spawn(name: string, { skewMs = 0 }: { skewMs?: number } = {}): SimProcess {
    return { id: ++this.#processes, name, alive: true, pausedUntil: 0, stoodStillMs: 0, held: [], skewMs };
  }

  kill(process: SimProcess): void {
    process.alive = false;
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  /** A line of the trace, made only where someone reads it. */
  note(line: () => string): void {
    if (this.trace === undefined) return;
    this.trace.push(`${(this.now / 1_000).toFixed(4).padStart(9)}  ${this.current.name.padEnd(10)} ${line()}`);
    if (this.trace.length > TRACE_MAX) this.trace.splice(0, TRACE_MAX / 2);
  }

  crashed(what: string, error: unknown): void {
    this.note(() => `ERROR ${what}`);
    this.crashes.push(`${this.current.name}: ${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  /** After `ms`, in that process, if it lives. */
  in(process: SimProcess, ms: number, run: () => void): Task {
    return this.at(process, this.now + Math.max(0, ms), run);
  }

  at(process: SimProcess, at: number, run: () => void): Task {
    const tie = mix(this.#tieSeed ^ Math.imul(process.id, 0x9e3779b1) ^ (at * 1_024));
    const task: Task = { at, tie, n: ++this.#n, process, run, cancelled: false };
    this.#push(task);
    return task;
  }

  clockOf(process: SimProcess): Clock {
    const after = (ms: number, task: () => void) => {
      const timer = this.in(process, Math.max(TIMER_MIN_MS, ms), task);
      return () => void (timer.cancelled = true);
    };
    return {
      now: () => this.timeOf(process),
      elapsed: () => this.now,
      after,
      every: (ms, task) => {
        let stop = () => {};
        const again = () => {
          stop = after(ms, () => {
            again();
            task();
          });
        };
        again();
        return () => stop();
      },
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const cancel = after(ms, resolve);
          signal?.addEventListener('abort', () => {
            cancel();
            resolve();
          });
        }),
    };
  }

  /** Epoch milliseconds, as the process believes. */
  timeOf(process: SimProcess): number {
    return EPOCH + Math.floor(this.now + process.skewMs);
  }

  /** Runs until `stopped`. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      const turn = () => {
        if (this.tasks >= TASKS_MAX) this.crashed('the run does not end', `${TASKS_MAX} tasks`);
        if (this.stopped || this.tasks >= TASKS_MAX || !this.#next()) return resolve();
        // All promises that can go on do so before the tick: so no task sees another one half done.
        realMicrotask(() => process.nextTick(turn));
      };
      turn();
    });
  }

  /** False when there is nothing left to do. */
  #next(): boolean {
    for (;;) {
      const task = this.#pop();
      if (task === undefined) return false;
      if (task.cancelled || !task.process.alive) continue;
      if (task.process.pausedUntil > task.at) {
        this.#hold(task);
        continue;
      }
      this.#do(task);
      return true;
    }
  }

  /** Until its process goes on; in the order in which they were due. */
  #hold(task: Task): void {
    const { process } = task;
    if (process.held.push(task) > 1) return;
    const goOn = () => {
      if (process.pausedUntil > this.now) return void this.at(this.outside, process.pausedUntil, goOn);
      for (const held of process.held.splice(0)) this.#push(Object.assign(held, { at: this.now, tie: -1, n: ++this.#n }));
    };
    this.at(this.outside, process.pausedUntil, goOn);
  }

  #do(task: Task): void {
    this.now = Math.max(this.now, task.at);
    this.tasks++;
    if (task.process !== this.current) {
      this.current = task.process;
      // Each process has ids of its own.
      restartUlids();
      restartClientUlids();
    }
    this.hash.number(this.now);
    this.hash.number(task.process.id);
    try {
      task.run();
    } catch (error) {
      this.crashed('uncaught', error);
    }
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(task);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(task, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = task;
  }

  #pop(): Task | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return first;
  }
}

/** The one of the machine: a run replaces the global one. */
export const realMicrotask = globalThis.queueMicrotask;

function isBefore(a: Task, b: Task): boolean {
  if (a.at !== b.at) return a.at < b.at;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.n < b.n;
}
