import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DrillContext, DrillResult } from '../drill.ts';
import type { CellAnswer, CellOrder } from './cell-main.ts';
import { missingAbility, missingRoot, missingTools, run, type Tool } from './tools.ts';

// A cell is a process with mounts, a network and process numbers of its own, and so is everything it starts. When it ends, however it ends,
// the kernel ends the rest in it and takes away its mounts, devices and rules. Nothing of it shows outside.

/** What `unshare` makes new. It ends its child when it is ended itself. */
const CELL = ['--mount', '--net', '--pid', '--fork', '--mount-proc', '--kill-child'];
const MAIN = fileURLToPath(new URL('./cell-main.ts', import.meta.url));

/** Calls `inside` of the drill's module in a cell. */
export async function runInCell(module: string, context: DrillContext): Promise<DrillResult> {
  // All that is written in the cell goes with the drill's folder; PostgreSQL, which runs as another user, has to get there.
  chmodSync(context.dir, 0o711);
  const cell = spawn('unshare', [...CELL, process.execPath, MAIN], {
    env: { ...process.env, TMPDIR: context.dir },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // A time may be infinite, which JSON cannot say.
    serialization: 'advanced',
  });
  const exited = once(cell, 'exit');
  context.onCleanup(async () => {
    cell.kill('SIGKILL');
    await exited;
  });
  const answered = new Promise<DrillResult>((resolve, reject) => {
    cell.on('message', (answer: CellAnswer) => {
      if ('line' in answer) context.log(answer.line);
      else if ('result' in answer) resolve(answer.result);
      else reject(new Error(answer.error));
    });
    exited.then(([status, signal]) => reject(new Error(`the drill's process ended with ${status ?? signal}`)), reject);
  });
  const { options, dir, program } = context;
  cell.send({ module, options, dir, program } satisfies CellOrder);
  try {
    return await answered;
  } finally {
    if (cell.connected) cell.disconnect();
    await exited;
  }
}

/** Whether a cell can be made here, by making one. */
function tryCell(): void {
  run('unshare', ...CELL, 'true');
}

/** What a drill in a cell lacks here, with these tools in it. */
export function missingForCell(...tools: readonly Tool[]): string[] {
  const missing = [...missingRoot(), ...missingTools('unshare', 'mount', 'ip', ...tools)];
  return missing.length > 0 ? missing : missingAbility('mounts, a network and process numbers of its own', tryCell);
}
