import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { run } from '../tools.ts';
import type { LinkAnswer, LinkOrder } from './emulator.ts';

export interface LinkOptions {
  /** Put before commands so that they run at that end; nothing: where this process is. */
  readonly left: readonly string[];
  readonly right: readonly string[];
  readonly leftAddress: string;
  readonly rightAddress: string;
  readonly seed: number;
}

/** The only way between two networks. Clean at first; `up` is from left to right. */
export interface Link {
  /** Changes what it does to packets from now on. What is under way arrives as it would have. */
  set(order: LinkOrder): Promise<void>;
  counts(): Promise<LinkAnswer>;
  close(): Promise<void>;
}

const TUN = join(import.meta.dirname, 'with-tun.py');
const EMULATOR = join(import.meta.dirname, 'emulator.ts');
const DEVICE = 'drill0';

export async function openLink({ left, right, leftAddress, rightAddress, seed }: LinkOptions): Promise<Link> {
  const [command, ...args] = [
    ...[...left, 'python3', TUN, DEVICE, leftAddress, rightAddress],
    ...[...right, 'python3', TUN, DEVICE, rightAddress, leftAddress],
    ...[process.execPath, EMULATOR, String(seed)],
  ];
  const emulator = spawn(command!, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const exited = once(emulator, 'exit');
  await ask(emulator, {});
  return {
    set: async (order) => void (await ask(emulator, order)),
    counts: () => ask(emulator, {}),
    async close() {
      emulator.kill('SIGKILL');
      await exited;
    },
  };
}

/** Whether a TUN device can be made here, by making one in a namespace that is gone again. */
export function tryTun(): void {
  run('unshare', '--net', 'python3', TUN, DEVICE, '10.88.0.1', '10.88.0.2', 'true');
}

async function ask(emulator: ChildProcess, order: LinkOrder): Promise<LinkAnswer> {
  const gone = new AbortController();
  const ended = () => gone.abort(new Error('the link emulator ended'));
  emulator.once('exit', ended);
  try {
    const answer = once(emulator, 'message', { signal: gone.signal });
    emulator.send(order);
    const [counts] = await answer;
    return counts as LinkAnswer;
  } finally {
    emulator.off('exit', ended);
  }
}
