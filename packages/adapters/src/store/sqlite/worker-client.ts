import { Worker } from 'node:worker_threads';
import type { Request, Response, WorkerOptions } from './worker.ts';

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/** An error of SQLite in a worker. */
export class SqliteError extends Error {
  readonly errcode: number | undefined;

  constructor(message: string, errcode: number | undefined) {
    super(message);
    this.errcode = errcode;
  }
}

/** Calls a worker's methods. Calls are answered in their order; all of them fail when the worker ends. */
export class WorkerClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: Error | undefined;

  constructor(options: WorkerOptions, onEnded: (error: Error) => void) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: options, name: `sqlite ${options.role}` });
    this.#worker.on('message', (response: Response) => this.#answer(response));
    this.#worker.on('error', (error) => this.#end(error as Error, onEnded));
    this.#worker.on('exit', () => this.#end(new Error(`the ${options.role} thread ended`), onEnded));
  }

  call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, args } satisfies Request);
    });
  }

  #answer(response: Response): void {
    const waiting = this.#waiting.get(response.id);
    this.#waiting.delete(response.id);
    if ('error' in response) waiting?.reject(new SqliteError(response.error.message, response.error.errcode));
    else waiting?.resolve(response.value as never);
  }

  #end(error: Error, onEnded: (error: Error) => void): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    onEnded(error);
  }
}
