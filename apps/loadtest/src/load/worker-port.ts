import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerInput } from './messages.ts';

/** The worker's end of a link: of a thread, or of a process. */
export interface WorkerPort {
  readonly input: WorkerInput;
  tell(message: FromWorker): void;
  onMessage(listener: (message: ToWorker) => void): void;
}

export async function openPort(): Promise<WorkerPort> {
  if (parentPort !== null) {
    const port = parentPort;
    return {
      input: workerData as WorkerInput,
      tell: (message) => port.postMessage(message),
      onMessage: (listener) => port.on('message', listener),
    };
  }
  process.once('disconnect', () => process.exit());
  const [input] = (await once(process, 'message')) as [WorkerInput];
  return {
    input,
    tell: (message) => void process.send!(message),
    onMessage: (listener) => process.on('message', listener),
  };
}
