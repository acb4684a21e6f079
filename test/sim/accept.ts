import { type MemoryAcceptServer, openMemoryAcceptLog } from '@gapless/adapters/accept/memory';
import { type Accepted, type AcceptLog, AcceptLogAway, type AcceptOutcome } from '@gapless/core';
import type { Random } from './random.ts';
import type { SimProcess, World } from './world.ts';

/** How the way to the accept log is now. */
export interface AcceptState {
  minMs: number;
  maxMs: number;
}

/** A call to a log that cannot be reached ends after so long at most. */
const GIVE_UP_MS = 500;

/** The log may forget a mid that was accepted so long ago. Longer than a client waits before it sends again, and than a look into the store counts. */
const REMEMBERED_MS = 60_000;

const EPSILON_MS = 0.001;

/** What the trace tells of: the others are asked all the time. */
const CHANGES: ReadonlySet<string> = new Set(['begin', 'accept', 'open', 'hold', 'close', 'saved', 'drop']);

interface Way {
  broken: boolean;
  lastUp: number;
  lastDown: number;
  readonly restored: Set<() => void>;
}

/** One accept log behind a network: calls of a node arrive in their order, and whoever gets no answer does not know what became of it. */
export class SimAcceptLog {
  readonly server: MemoryAcceptServer;
  readonly state: AcceptState;
  /** Nobody finds out that the log was set back: a planted fault. */
  hidesSetBack = false;
  readonly #world: World;
  readonly #random: Random;
  readonly #ways = new Map<SimProcess, Way>();

  constructor(world: World, { shards, mids, minMs, maxMs }: AcceptState & { shards: number; mids: number }) {
    this.#world = world;
    this.#random = world.random.fork('accept');
    this.state = { minMs, maxMs };
    this.server = openMemoryAcceptLog({ clock: world.clockOf(world.outside), shards, memory: { mids, ms: REMEMBERED_MS } });
  }

  /** The log as one node sees it. */
  of(process: SimProcess): AcceptLog {
    const log = this.server.connect();
    const way: Way = { broken: false, lastUp: 0, lastDown: 0, restored: new Set() };
    this.#ways.set(process, way);
    const view: Record<string, unknown> = {
      capabilities: { durable: true, multiProcess: true },
      watch: (restored: () => void) => {
        const own = () => void this.#world.in(process, this.#delay(), restored);
        way.restored.add(own);
        const stop = log.watch(own);
        return () => {
          way.restored.delete(own);
          stop();
        };
      },
      end: () => log.end(),
    };
    const ask = (name: string, method: (...args: unknown[]) => Promise<unknown>) => {
      view[name] ??= (...args: unknown[]) => this.#call(process, way, { name, run: () => method.apply(log, args) });
    };
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(log))))
      if (typeof value === 'function' && name !== 'constructor') ask(name, value);
    return view as unknown as AcceptLog;
  }

  /** An epoch was begun, and it was not lost since. */
  get isOn(): boolean {
    return this.server.state.current !== undefined;
  }

  /** Of each shard the oldest entry that is not saved: one of these. */
  get waiting(): Accepted | undefined {
    const { current, epochs } = this.server.state;
    const { shards = [] } = (current && epochs.get(current.epoch)) ?? {};
    return shards
      .find(({ entries }) => entries.size > 0)
      ?.entries.values()
      .next().value?.accepted;
  }

  /** The node's own line. */
  setLineBroken(process: SimProcess, broken: boolean): void {
    const way = this.#ways.get(process);
    if (way === undefined || way.broken === broken) return;
    way.broken = broken;
    if (!broken) for (const restored of way.restored) restored();
  }

  /** Again as it was when this was called. */
  setBackTo(): () => void {
    const { fault } = this.server;
    const { state } = fault.snapshot();
    return () => {
      const { current } = state;
      const run = this.server.run + 1;
      fault.rollBack({ state: this.hidesSetBack && current !== undefined ? { ...state, current: { ...current, run } } : state });
    };
  }

  heal(): void {
    const { fault } = this.server;
    fault.away(false);
    fault.mute(false);
    for (const process of this.#ways.keys()) this.setLineBroken(process, false);
  }

  #delay(): number {
    return this.#random.skewed(this.state.minMs, this.state.maxMs);
  }

  #call(process: SimProcess, way: Way, { name, run }: { name: string; run: () => Promise<unknown> }): Promise<unknown> {
    const world = this.#world;
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void) => {
        way.lastDown = Math.max(world.now + this.#delay(), way.lastDown + EPSILON_MS);
        world.at(process, way.lastDown, settle);
      };
      const lost = () => world.in(process, this.#random.next() * GIVE_UP_MS, () => reject(new AcceptLogAway()));
      way.lastUp = Math.max(world.now + this.#delay(), way.lastUp + EPSILON_MS);
      world.at(world.outside, way.lastUp, () => {
        if (way.broken || !process.alive) return void lost();
        if (CHANGES.has(name)) world.note(() => `accept log: ${process.name} ${name}`);
        run().then(
          (value) => {
            if (name === 'accept') world.note(() => `accept log: ${process.name} is told ${told(value as AcceptOutcome[])}`);
            if (way.broken) lost();
            else answer(() => resolve(value));
          },
          (error: unknown) => (error instanceof AcceptLogAway ? lost() : answer(() => reject(error))),
        );
      });
    });
  }
}

/** In short. */
function told(outcomes: readonly AcceptOutcome[]): string {
  return outcomes.map((outcome) => (outcome.ok ? `${outcome.seq}${outcome.dup ? ' again' : ''}` : outcome.code)).join(', ');
}
