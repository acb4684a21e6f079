import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerInput } from './messages.ts';

/** To a worker of the generator, wherever it runs. */
export interface WorkerLink {
  post(message: ToWorker): void;
  /** At once, whatever it does. */
  end(): Promise<void>;
}

export interface LinkEvents {
  message(message: FromWorker): void;
  failed(error: Error): void;
}

const WORKER = new URL('./worker.ts', import.meta.url);

export function startThread(input: WorkerInput, { message, failed }: LinkEvents): WorkerLink {
  const worker = new Worker(WORKER, { workerData: input });
  worker.on('message', message);
  worker.on('error', (error) => failed(error as Error));
  return {
    post: (to) => worker.postMessage(to),
    async end() {
      await worker.terminate();
    },
  };
}

/** A process of its own has its own limit of open files. It ends with this one. */
export function startProcess(input: WorkerInput, { message, failed }: LinkEvents): WorkerLink {
  // Maps are sent as they are.
  const child: ChildProcess = fork(WORKER, { serialization: 'advanced', execArgv: [] });
  const exited = once(child, 'exit');
  child.on('message', (from) => message(from as FromWorker));
  child.on('error', failed);
  child.on('exit', (code, signal) => failed(new Error(`a process of the generator ended with ${code ?? signal}`)));
  child.send(input);
  return {
    post: (to) => void child.send(to),
    async end() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
