import { type AcceptLog, AcceptLogAway } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import type { Memory } from '../rules.ts';
import type { AcceptLimits } from './accepting.ts';
import { MemoryAcceptLog } from './log.ts';
import type { EpochState, LogState } from './state.ts';

/** What the log had at some moment. */
export type AcceptSnapshot = { readonly state: LogState };

/** What may happen to an accept log, and to the way there. */
export interface AcceptFault {
  /** Cannot be reached, until it is not away any more: then those who watch are told. What it has stays. */
  away(on: boolean): void;
  /** Does what it is asked, and nobody hears so: each call rejects. */
  mute(on: boolean): void;
  /** All that it has is gone, in the same run: as FLUSHALL does. Nobody is told. */
  lose(): void;
  snapshot(): AcceptSnapshot;
  /** Another run, with what it had then. Nobody is told. */
  rollBack(snapshot: AcceptSnapshot): void;
}

export interface MemoryAcceptOptions {
  clock: Clock;
  /** Default 4. */
  shards?: number;
  /** Entries that are not saved, of all conversations; with more, sends are `busy`. Default 100,000. */
  backlogMax?: number;
  /** What is remembered at least. For tests; default and reason: MEMORY. */
  memory?: Memory;
}

/** The process that holds the log: many nodes connect to it. */
export class MemoryAcceptServer {
  readonly clock: Clock;
  readonly limits: AcceptLimits;
  readonly shards: number;
  readonly fault: AcceptFault;
  #state: LogState = { current: undefined, epochs: new Map() };
  #run = 1;
  #away = false;
  #mute = false;
  readonly #watchers = new Set<() => void>();
  readonly #waiting = new Set<() => void>();

  constructor({ clock, shards, limits }: { clock: Clock; shards: number; limits: AcceptLimits }) {
    this.clock = clock;
    this.shards = shards;
    this.limits = limits;
    this.fault = {
      away: (on) => this.#setAway(on),
      mute: (on) => void (this.#mute = on),
      lose: () => void (this.#state = { current: undefined, epochs: new Map() }),
      snapshot: () => ({ state: structuredClone(this.#state) }),
      rollBack: ({ state }) => {
        this.#state = structuredClone(state);
        this.#run++;
        this.wake();
      },
    };
  }

  connect(): AcceptLog {
    return new MemoryAcceptLog(this);
  }

  get state(): LogState {
    return this.#state;
  }

  get run(): number {
    return this.#run;
  }

  /** What the log has of an epoch that it was set up for in this very run. */
  epoch(epoch: number): EpochState | undefined {
    const { current, epochs } = this.#state;
    return current?.epoch === epoch && current.run === this.#run ? epochs.get(epoch) : undefined;
  }

  /** @throws AcceptLogAway where the log cannot be reached, or its answer would be lost: then `task` was done */
  ask<T>(task: () => T): T {
    if (this.#away) throw new AcceptLogAway();
    const answer = task();
    if (this.#mute) throw new AcceptLogAway();
    return answer;
  }

  watch(restored: () => void): () => void {
    const own = () => restored();
    this.#watchers.add(own);
    return () => this.#watchers.delete(own);
  }

  /** Resolves when there is something new, or `ms` later. */
  async wakeOrAfter(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = this.clock.after(ms, resolve);
    this.#waiting.add(resolve);
    await promise;
    this.#waiting.delete(resolve);
    stop();
  }

  wake(): void {
    for (const resolve of this.#waiting) resolve();
  }

  #setAway(on: boolean): void {
    if (this.#away === on) return;
    this.#away = on;
    this.wake();
    if (!on) for (const restored of [...this.#watchers]) restored();
  }
}
