import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipe, run } from './tools.ts';

/** A network of its own, with its own devices, addresses and rules; without any but loopback at first. */
export interface Namespace {
  /** Put before a command to run it there. */
  readonly prefix: readonly string[];
  readonly pid: number;
  /** Runs a program to its end in there. */
  run(command: string, ...args: readonly string[]): string;
  pipe(input: string, command: string, ...args: readonly string[]): string;
  /** It is gone when the last process in it is. */
  remove(): Promise<void>;
}

/** Makes one. It has no name: the kernel removes it, with all that is in it, when this process is gone, however it went. */
export async function openNamespace(): Promise<Namespace> {
  // Something that stays in there, ends with us, and shows by an echo that it is in there.
  const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(holder, 'exit');
  holder.stdin.write('.');
  await Promise.race([
    once(holder.stdout, 'data'),
    exited.then(() => Promise.reject(new Error('a network namespace cannot be made here'))),
  ]);
  const prefix = ['nsenter', `--net=/proc/${holder.pid}/ns/net`];
  const [enter, ...where] = prefix as [string, string];
  const namespace = {
    prefix,
    pid: holder.pid!,
    run: (...command: string[]) => run(enter, ...where, ...command),
    pipe: (input: string, ...command: string[]) => pipe(input, enter, ...where, ...command),
  };
  namespace.run('ip', 'link', 'set', 'lo', 'up');
  return {
    ...namespace,
    async remove() {
      holder.stdin.destroy();
      await exited;
    },
  };
}

/** Whether one can be made, by making one. */
export function tryNamespace(): void {
  run('unshare', '--net', 'ip', 'link', 'set', 'lo', 'up');
}
