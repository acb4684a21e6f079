import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { cpuSecOf } from './process-cpu.ts';

/** A server of the bench in a process of its own. */
export interface Child<Ready> {
  /** The line, JSON, that it printed first. */
  readonly ready: Ready;
  cpuSec(): number;
  stop(): Promise<void>;
}

/** Runs a file with this Node, until `stop` or the end of this process. */
export async function startChild<Ready>(file: string, args: readonly string[] = []): Promise<Child<Ready>> {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const stopWaiting = endWithUs(child);
  const first = once(createInterface({ input: child.stdout! }), 'line');
  const ended = exited.then(([status]) => {
    throw new Error(`${file} ended with ${status} before it was ready`);
  });
  const [line] = await Promise.race([first, ended]);
  ended.catch(() => {});
  return {
    ready: JSON.parse(line),
    cpuSec: () => cpuSecOf(child.pid!),
    async stop() {
      stopWaiting();
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The child does not outlive this process. Returns what takes that back. */
export function endWithUs(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): () => void {
  const end = () => child.kill(signal);
  process.once('exit', end);
  return () => process.off('exit', end);
}
