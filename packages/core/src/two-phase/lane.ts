import { ChatError } from '../errors.ts';
import type { Command, Outcome } from '../ports/store.ts';

/** What `server_busy` asks a client to wait. */
const BUSY_RETRY_MS = 1_000;

/** A command whose caller waits. */
export interface Waiting {
  command: Command;
  readonly since: number;
  /** It has its outcome. */
  done: boolean;
  /** It may have been accepted without a word. */
  doubtful: boolean;
  /** The store, or the accept log, was asked for it, and has not answered. */
  asked: boolean;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

export interface LaneOptions {
  readonly batchMax: number;
  readonly queueMax: number;
  /** Settles some of them, the first ones first. Called again with what it left, until nothing is. */
  work(batch: readonly Waiting[]): Promise<void>;
  now(): number;
  /** Nothing waits any more. */
  done(): void;
}

/** Commands of one conversation, one batch under way at a time: so they keep their order, whatever has to be tried again. */
export class Lane {
  readonly #options: LaneOptions;
  #waiting: Waiting[] = [];
  #working = false;
  /** Of the waiting ones, those that were put in front since the last batch began. */
  #infront = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#options.queueMax;
  }

  /** `inFrontSince`: its caller waits since then; it came before those that wait, and after those that were put in front before it. */
  add(command: Command, { inFrontSince }: { inFrontSince?: number } = {}): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        command,
        since: inFrontSince ?? this.#options.now(),
        done: false,
        doubtful: false,
        asked: false,
        resolve(outcome) {
          waiting.done = true;
          resolve(outcome);
        },
        reject(error) {
          waiting.done = true;
          reject(error);
        },
      };
      if (inFrontSince !== undefined) this.#waiting.splice(this.#infront++, 0, waiting);
      else this.#waiting.push(waiting);
      if (this.#working) return;
      this.#working = true;
      // A microtask later, so that frames read in one go share a batch.
      queueMicrotask(() => void this.#run());
    });
  }

  /** Answers those that wait since before `deadline`, whatever is being done for them. */
  expire(deadline: number): void {
    for (const waiting of this.#waiting) {
      if (waiting.done || waiting.since >= deadline) continue;
      const isUnknown = waiting.doubtful || waiting.asked;
      waiting.reject(isUnknown ? new ChatError('store_unavailable') : busy());
    }
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#infront = 0;
      await this.#options.work(this.#waiting.slice(0, this.#options.batchMax));
      this.#waiting = this.#waiting.filter(({ done }) => !done);
    }
    this.#working = false;
    this.#options.done();
  }
}

/** Who lost the right to a message that may have been accepted before is not told that it was refused. */
export function answer(waiting: Waiting, outcome: Outcome): void {
  if (waiting.doubtful && !outcome.ok && outcome.code === 'stale') waiting.reject(new ChatError('store_unavailable'));
  else waiting.resolve(outcome);
}

/** Marks them while their outcome may be on its way. */
export async function whileAsked<T>(batch: readonly Waiting[], ask: () => Promise<T>): Promise<T> {
  for (const waiting of batch) waiting.asked = true;
  try {
    return await ask();
  } finally {
    for (const waiting of batch) waiting.asked = false;
  }
}

export function busy(): ChatError {
  return new ChatError('server_busy', { retryAfterMs: BUSY_RETRY_MS });
}
