import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readSyncLog, type SyncLog } from './sync-log.ts';
import { run } from './tools.ts';

/** Makes every fsync of a running process fail from now on. */
export interface SyncFailure {
  /** Resolves when the process is gone, to all that was seen of its syncs. */
  readonly finished: Promise<SyncLog>;
  stop(): void;
}

/** Goes into the process as a debugger does: until now nothing was in its way. Resolves when it is in. */
export async function failSyncs(pid: number, log: string): Promise<SyncFailure> {
  const calls = ['-e', 'trace=fsync,fdatasync', '-e', 'inject=fsync,fdatasync:error=EIO', '-e', 'signal=none'];
  const tracer = spawn('strace', ['-f', '-y', '-o', log, ...calls, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  const attached = new Promise<void>((resolve) =>
    tracer.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
      if (/ attached/.test(said)) resolve();
    }),
  );
  const exited = once(tracer, 'exit');
  await Promise.race([attached, exited.then(() => Promise.reject(new Error(`strace: ${said.trim()}`)))]);
  return {
    finished: exited.then(() => readSyncLog(readFileSync(log, 'utf8'), pid)),
    // A tracer that is asked to go lets its process go on.
    stop: () => void tracer.kill('SIGTERM'),
  };
}

/** Whether strace can inject errors here, by doing it. */
export function trySyncFailure(): void {
  run('strace', '-f', '-o', '/dev/null', '-e', 'inject=fsync:error=EIO', 'true');
}
