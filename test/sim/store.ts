import { ChatError, type Command, type Outcome, type Store } from '@gapless/core';
import type { Random } from './random.ts';
import type { SimProcess, World } from './world.ts';

/** How the store is now. */
export interface StoreState {
  minMs: number;
  maxMs: number;
  /** A commit takes this much longer. */
  commitMs: number;
  /** Share of commits that fail before anything happened, and after. Where a process has the store to itself, it knows which. */
  failBefore: number;
  failAfter: number;
  /** Refuses at once, or does not answer. */
  away: 'no' | 'refuses' | 'hangs';
}

/** A node gives up on a store that does not answer after so long. */
const GIVE_UP_MS = 4_000;

/** Commands that one transaction takes: a larger batch is several, of which the last ones may not come to be. */
const TRANSACTION_MAX = 50;

/**
 * One durable store behind a network. What was committed stays; a commit that is under way when its node dies may still happen, and a
 * node that hears nothing does not know.
 */
export class SimStore {
  readonly memory: Store;
  readonly state: StoreState;
  readonly #world: World;
  readonly #random: Random;
  readonly #lanes: number;
  /** How far each user has read for sure, by cid and uid: what they said, without what they sent. */
  readonly reads = new Map<string, number>();
  /** Commits that did not happen yet, of one process only. */
  readonly #underWay = new Set<{ process: SimProcess; decide: (happens: boolean) => void }>();

  constructor(world: World, memory: Store, { state, lanes }: { state: StoreState; lanes: number }) {
    this.#world = world;
    this.#random = world.random.fork('store');
    this.memory = memory;
    this.state = state;
    this.#lanes = lanes;
  }

  /** The store as one node sees it. `shared`: several processes work on it. */
  of(process: SimProcess, { shared }: { shared: boolean }): Store {
    const view: Record<string, unknown> = {
      ...this.memory,
      capabilities: { durable: true, multiProcess: shared, lanes: this.#lanes },
      commit: (batch: readonly Command[]) => this.#commit(process, batch, shared),
    };
    for (const [name, method] of Object.entries(this.memory)) {
      if (typeof method !== 'function' || name === 'commit') continue;
      view[name] = (...args: unknown[]) => this.#read(process, () => (method as (...args: unknown[]) => Promise<unknown>)(...args));
    }
    return view as unknown as Store;
  }

  /** The process died, and with it the store that it had to itself: what was under way happened, or not. */
  died(process: SimProcess): void {
    for (const commit of this.#underWay) if (commit.process === process) commit.decide(this.#random.chance(0.5));
  }

  #delay(): number {
    return this.#random.skewed(this.state.minMs, this.state.maxMs);
  }

  #read(process: SimProcess, read: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const world = this.#world;
      const fail = (ms: number) => world.in(process, ms, () => reject(new ChatError('store_unavailable')));
      world.in(world.outside, this.#delay(), () => {
        if (this.state.away === 'refuses') return void fail(this.#delay());
        if (this.state.away === 'hangs') return void fail(this.#random.next() * GIVE_UP_MS);
        read().then(
          (value) => world.in(process, this.#delay(), () => resolve(value)),
          (error: unknown) => world.in(process, this.#delay(), () => reject(error)),
        );
      });
    });
  }

  #commit(process: SimProcess, batch: readonly Command[], shared: boolean): Promise<readonly Outcome[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Outcome[]>();
    const world = this.#world;
    const fail = (ms: number) => world.in(process, ms, () => reject(new ChatError('store_unavailable')));
    const pending = { process, decide };
    const arrival = world.in(world.outside, this.#delay() + this.#random.next() * this.state.commitMs, () => decide(true));
    const { state, reads, memory } = this;
    const random = this.#random;
    const delay = () => this.#delay();
    this.#underWay.add(pending);
    if (shared) this.#underWay.delete(pending);

    function decide(happens: boolean): void {
      arrival.cancelled = true;
      world.note(() => `store: ${process.name} commits ${batch.map(({ op }) => op).join(' ')}${happens ? '' : ': it does not happen'}`);
      if (!happens) return;
      if (state.away === 'refuses') return void fail(delay());
      if (state.away === 'hangs') return void fail(random.next() * GIVE_UP_MS);
      if (random.chance(state.failBefore)) {
        world.count('commits failed');
        return void fail(delay());
      }
      // One process alone with its store has no network between them that could lose the answer.
      const lost = shared && random.chance(state.failAfter);
      const made = lost && batch.length > TRANSACTION_MAX ? batch.slice(0, random.below(batch.length)) : batch;
      void memory.commit(made).then((outcomes) => {
        noteReads(reads, made, outcomes);
        if (lost) {
          world.count('commits of unknown outcome');
          fail(random.next() * GIVE_UP_MS);
        } else world.in(process, delay(), () => resolve(outcomes));
      });
    }
    void promise.then(
      () => this.#underWay.delete(pending),
      () => this.#underWay.delete(pending),
    );
    return promise;
  }
}

function noteReads(reads: Map<string, number>, batch: readonly Command[], outcomes: readonly Outcome[]): void {
  for (const [i, command] of batch.entries()) {
    const outcome = outcomes[i]!;
    if (!outcome.ok) continue;
    if (command.op === 'remove') reads.delete(`${command.cid} ${command.uid}`);
    else if (command.op === 'read' && outcome.op === 'read') {
      const key = `${command.cid} ${command.uid}`;
      reads.set(key, Math.max(reads.get(key) ?? 0, Math.min(command.pos, outcome.pos)));
    }
  }
}
