import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { familyCpuSec, runs, signalFamily } from './process-family.ts';
import { endWithUs } from './watchdog.ts';

/** Why a server cannot run on this machine. */
export interface NotHere {
  readonly reason: string;
}

/** A real server in a process of its own, on 127.0.0.1 and a fresh folder. It ends with this process. */
export interface RunningService {
  readonly url: string;
  readonly port: number;
  readonly version: string;
  /** Where its program is from. */
  readonly from: string;
  /** Of its first process since the last start. */
  pid(): number;
  /** CPU seconds so far of all its processes since the last start. Linux only. */
  cpuSec(): number;
  /** Orderly; its data stays. */
  stop(): Promise<void>;
  /** SIGKILL, to all its processes; its data stays. */
  kill(): Promise<void>;
  /** Again on the same port and data, after `stop` or `kill`; resolves when it takes connections. */
  start(): Promise<void>;
  /** SIGSTOP, to all its processes: connections stay and nothing answers. */
  pause(): void;
  resume(): void;
  /** Ends it and deletes its data. */
  remove(): Promise<void>;
}

export interface ServicePlan {
  readonly url: string;
  readonly port: number;
  readonly version: string;
  readonly from: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Holds all its data; deleted by `remove`. */
  readonly folder: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly stopSignal: NodeJS.Signals;
  /** A file that what it says is added to. */
  readonly log?: string;
  /** Rejects while the server does not take connections. */
  ask(): Promise<void>;
}

const POLL_MS = 25;
/** Of a server that neither gets ready nor ends: a JVM on a busy machine takes its time. */
const START_MS = 90_000;
/** What is kept of the output, for the error when the server does not start. */
const OUTPUT_CHARS = 4_000;

/** Starts a server; its plan says how. */
export async function startService(plan: ServicePlan): Promise<RunningService> {
  let current: Running | undefined;
  async function start(): Promise<void> {
    if (current !== undefined) return;
    const started = await run(plan);
    current = started;
    // Also when nobody here ended it: its id may then be another process's.
    started.exited.then(() => current === started && (current = undefined));
  }
  await start().catch((error) => {
    rmSync(plan.folder, { recursive: true, force: true });
    throw error;
  });

  /** Resolves when all that `how` names are gone. */
  async function end(how: (child: ChildProcess) => readonly number[]): Promise<void> {
    if (current === undefined) return;
    const ending = current;
    current = undefined;
    const members = how(ending.child);
    await ending.exited;
    while (members.some(runs)) await setTimeout(POLL_MS);
  }
  const alive = () => {
    if (current === undefined) throw new Error(`${plan.command} does not run`);
    return current.child.pid!;
  };
  const stop = () =>
    end((child) => {
      // A paused process would keep the signal until it goes on.
      const members = signalFamily(child.pid!, 'SIGCONT');
      child.kill(plan.stopSignal);
      return members;
    });
  const kill = () => end((child) => signalFamily(child.pid!, 'SIGKILL'));
  return {
    url: plan.url,
    port: plan.port,
    version: plan.version,
    from: plan.from,
    pid: alive,
    cpuSec: () => familyCpuSec(alive()),
    stop,
    kill,
    start,
    pause: () => void signalFamily(alive(), 'SIGSTOP'),
    resume: () => void signalFamily(alive(), 'SIGCONT'),
    async remove() {
      await kill();
      rmSync(plan.folder, { recursive: true, force: true });
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown>;
}

async function run(plan: ServicePlan): Promise<Running> {
  const { uid, gid } = plan;
  const child = spawn(plan.command, plan.args, {
    cwd: plan.folder,
    env: { ...process.env, ...plan.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk).slice(-OUTPUT_CHARS);
      if (plan.log !== undefined) appendFileSync(plan.log, chunk);
    });
  const exited = once(child, 'exit');
  await once(child, 'spawn');
  endWithUs(child, plan.folder);
  try {
    await ready(child, plan);
  } catch (error) {
    if (child.exitCode === null) signalFamily(child.pid!, 'SIGKILL');
    throw new Error(`${plan.command} did not start: ${(error as Error).message}\n${output}`);
  }
  return { child, exited };
}

async function ready(child: ChildProcess, plan: ServicePlan): Promise<void> {
  const until = performance.now() + START_MS;
  for (;;) {
    try {
      return await plan.ask();
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > until) throw error;
      await setTimeout(POLL_MS);
    }
  }
}
