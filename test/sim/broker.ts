import type { Broker, BrokerWatch, Topic, TopicListener } from '@gapless/core';
import type { Random } from './random.ts';
import type { SimProcess, World } from './world.ts';

/** How the broker is now. */
export interface BrokerState {
  minMs: number;
  maxMs: number;
  /** Shares of what is published, for each node apart. */
  lost: number;
  twice: number;
  /** What one node publishes may arrive in another order. */
  reorders: boolean;
  /** Nothing can be published. */
  away: boolean;
}

const PAYLOAD_MAX_BYTES = 1_000_000;
const EPSILON_MS = 0.001;

interface Place {
  readonly process: SimProcess;
  readonly topics: Map<string, Set<TopicListener>>;
  readonly watches: Set<BrokerWatch>;
  /** Its own line to the broker is broken. */
  away: boolean;
  /** When the last one arrived, by publisher. */
  readonly last: Map<SimProcess, number>;
}

/** Pub/sub between nodes that keeps no more than the port promises, and where it is told to, less: twice, and in another order. */
export class SimBroker {
  readonly state: BrokerState;
  readonly #world: World;
  readonly #random: Random;
  readonly #places = new Map<SimProcess, Place>();
  /** Pairs of nodes that do not hear each other, as `from to`. */
  readonly #apart = new Set<string>();

  constructor(world: World, state: BrokerState) {
    this.#world = world;
    this.#random = world.random.fork('broker');
    this.state = state;
  }

  /** The broker as one node sees it. */
  of(process: SimProcess): Broker {
    const place: Place = { process, topics: new Map(), watches: new Set(), away: false, last: new Map() };
    this.#places.set(process, place);
    const check = async () => {
      if (this.state.away || place.away) throw new Error('the broker is away');
    };
    return {
      capabilities: { multiProcess: true, payloadMaxBytes: PAYLOAD_MAX_BYTES },
      check,
      publish: async (topic, payload) => {
        await check();
        this.#publish(process, keyOf(topic), payload);
      },
      subscribe: async (topic, listener) => {
        const listeners = place.topics.get(keyOf(topic)) ?? new Set();
        place.topics.set(keyOf(topic), listeners);
        const own: TopicListener = (payload) => listener(payload);
        listeners.add(own);
        return () => void listeners.delete(own);
      },
      watch: (watch) => {
        place.watches.add(watch);
        return () => void place.watches.delete(watch);
      },
      close: async () => void this.#places.delete(process),
    };
  }

  setAway(away: boolean): void {
    this.state.away = away;
    if (!away) for (const place of this.#places.values()) this.#restored(place);
  }

  /** The node's own line. */
  setLineAway(process: SimProcess, away: boolean): void {
    const place = this.#places.get(process);
    if (place === undefined || place.away === away) return;
    place.away = away;
    if (!away) this.#restored(place);
  }

  /** They do not hear each other, and nobody tells them. */
  part(from: SimProcess, to: SimProcess): void {
    this.#apart.add(`${from.id} ${to.id}`);
  }

  heal(): void {
    this.#apart.clear();
    for (const { process } of [...this.#places.values()]) this.setLineAway(process, false);
    if (this.state.away) this.setAway(false);
  }

  #restored({ process, watches }: Place): void {
    this.#world.in(process, this.#delay(), () => {
      for (const watch of watches) watch.restored?.();
    });
  }

  #delay(): number {
    return this.#random.skewed(this.state.minMs, this.state.maxMs);
  }

  #publish(from: SimProcess, key: string, payload: string): void {
    for (const place of this.#places.values()) {
      if (!place.process.alive || !place.topics.has(key)) continue;
      if (place.away || this.#apart.has(`${from.id} ${place.process.id}`)) continue;
      if (this.#random.chance(this.state.lost)) {
        this.#world.count('announcements lost');
        continue;
      }
      this.#deliver(place, from, key, payload);
      if (this.#random.chance(this.state.twice)) this.#deliver(place, from, key, payload);
    }
  }

  #deliver(place: Place, from: SimProcess, key: string, payload: string): void {
    let at = this.#world.now + this.#delay();
    if (!this.state.reorders) {
      at = Math.max(at, (place.last.get(from) ?? 0) + EPSILON_MS);
      place.last.set(from, at);
    }
    this.#world.at(place.process, at, () => {
      if (place.away || this.state.away) return;
      for (const listener of [...(place.topics.get(key) ?? [])]) listener(payload);
    });
  }
}

function keyOf({ kind, name }: Topic): string {
  return `${kind}:${name}`;
}
