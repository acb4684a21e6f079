import type { AcceptOutcome, AcceptRequest } from '@gapless/core';

/** Scripts under way at a time: one at work in Redis, and one that it finds waiting. */
const UNDER_WAY_MAX = 2;

/** Sends in one script, unless one call has more: some milliseconds in which Redis does nothing else. */
const BATCH_MAX = 100;

interface Waiting {
  readonly epoch: number;
  readonly requests: readonly AcceptRequest[];
  resolve(outcomes: readonly AcceptOutcome[]): void;
  reject(error: unknown): void;
}

/**
 * Calls that come while others are under way share a script, in their order, as if they were one: that costs Redis half as much, and this
 * process a quarter.
 */
export class AcceptQueue {
  readonly #send: (epoch: number, requests: readonly AcceptRequest[]) => Promise<readonly AcceptOutcome[]>;
  #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(send: (epoch: number, requests: readonly AcceptRequest[]) => Promise<readonly AcceptOutcome[]>) {
    this.#send = send;
  }

  add(epoch: number, requests: readonly AcceptRequest[]): Promise<readonly AcceptOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ epoch, requests, resolve, reject });
      this.#go();
    });
  }

  #go(): void {
    while (this.#waiting.length > 0 && this.#underWay < UNDER_WAY_MAX) void this.#run(this.#take());
  }

  /** The first calls that fit into one script; at least one. */
  #take(): Waiting[] {
    const { epoch } = this.#waiting[0]!;
    let size = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      size += waiting.requests.length;
      if (count > 0 && (size > BATCH_MAX || waiting.epoch !== epoch)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #run(calls: readonly Waiting[]): Promise<void> {
    this.#underWay++;
    try {
      const requests = calls.length === 1 ? calls[0]!.requests : calls.flatMap((call) => call.requests);
      const outcomes = await this.#send(calls[0]!.epoch, requests);
      let from = 0;
      for (const call of calls) call.resolve(outcomes.slice(from, (from += call.requests.length)));
    } catch (error) {
      for (const call of calls) call.reject(error);
    } finally {
      this.#underWay--;
      this.#go();
    }
  }
}
