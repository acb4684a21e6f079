import type { AcceptOutcome, AcceptRequest } from '@gapless/core';
import type { Clock } from '@gapless/kit';

/** Scripts under way at a time: one at work in Redis, and one that it finds waiting. */
const UNDER_WAY_MAX = 2;

/** Sends in one script, unless one call has more: some milliseconds in which Redis does nothing else. */
const BATCH_MAX = 100;

/**
 * From the beginning of one script to the next, in times that one takes to be answered: on a busy machine, or far from Redis, more sends
 * share a script, and the notice of it. The first one after a rest waits for nobody, nor does a full batch.
 */
const PACE_TRIPS = 8;
const PACE_MAX_MS = 16;

/** Weight of the last script in how long one takes. */
const NEWEST = 1 / 8;

export type SendAccepts = (epoch: number, requests: readonly AcceptRequest[]) => Promise<readonly AcceptOutcome[]>;

interface Waiting {
  readonly epoch: number;
  readonly requests: readonly AcceptRequest[];
  resolve(outcomes: readonly AcceptOutcome[]): void;
  reject(error: unknown): void;
}

/**
 * Calls that come while others are under way, or soon after, share a script, in their order, as if they were one: that costs Redis half as
 * much, and this process a quarter.
 */
export class AcceptQueue {
  readonly #send: SendAccepts;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  /** Sends of those that wait. */
  #size = 0;
  #underWay = 0;
  #tripMs = 0;
  #nextAt = Number.NEGATIVE_INFINITY;
  #pausing = false;

  constructor(clock: Clock, send: SendAccepts) {
    this.#clock = clock;
    this.#send = send;
  }

  add(epoch: number, requests: readonly AcceptRequest[]): Promise<readonly AcceptOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ epoch, requests, resolve, reject });
      this.#size += requests.length;
      this.#go();
    });
  }

  #go(): void {
    while (this.#waiting.length > 0 && this.#underWay < UNDER_WAY_MAX) {
      const now = this.#clock.elapsed();
      if (now < this.#nextAt && this.#size < BATCH_MAX) return this.#pause(this.#nextAt - now);
      this.#nextAt = now + Math.min(PACE_MAX_MS, PACE_TRIPS * this.#tripMs);
      void this.#run(this.#take(), now);
    }
  }

  #pause(ms: number): void {
    if (this.#pausing) return;
    this.#pausing = true;
    this.#clock.after(Math.ceil(ms), () => {
      this.#pausing = false;
      this.#go();
    });
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
    const taken = this.#waiting.splice(0, count);
    for (const { requests } of taken) this.#size -= requests.length;
    return taken;
  }

  async #run(calls: readonly Waiting[], beganAt: number): Promise<void> {
    this.#underWay++;
    try {
      const requests = calls.length === 1 ? calls[0]!.requests : calls.flatMap((call) => call.requests);
      const outcomes = await this.#send(calls[0]!.epoch, requests);
      this.#tripMs += NEWEST * (this.#clock.elapsed() - beganAt - this.#tripMs);
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
