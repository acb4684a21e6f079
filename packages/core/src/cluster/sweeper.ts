import type { Clock } from '@gapless/kit';
import type { KnownRev } from '../events.ts';
import type { ConversationReads } from '../ports/store.ts';

/** Conversations in one question to the store. */
const PAGE = 1_000;

/** Between the end of one sweep and the next: where a broker loses much, sweeping must not become the load. */
const REST_MS = 250;

/** Before a store that did not answer is asked again. */
const RETRY_MS = 500;

export interface SweeperDeps {
  reads: Pick<ConversationReads, 'revs'>;
  clock: Clock;
  /** Conversations with listeners here. */
  listened(): Iterable<string>;
  /** What the store has of them. */
  found(revs: readonly KnownRev[]): void;
}

/** Asks the store how far conversations are, where that may not have been told: whoever is behind then reads what is missing. */
export class Sweeper {
  readonly #deps: SweeperDeps;
  /** To be looked at; `all`: whatever has listeners by then. */
  #all = false;
  #some = new Set<string>();
  #running = false;
  #closed = false;

  constructor(deps: SweeperDeps) {
    this.#deps = deps;
  }

  /** Looks at every conversation with listeners, soon. */
  sweepAll(): void {
    this.#all = true;
    this.#start();
  }

  sweep(cids: Iterable<string>): void {
    for (const cid of cids) this.#some.add(cid);
    this.#start();
  }

  close(): void {
    this.#closed = true;
  }

  #start(): void {
    if (this.#running || this.#closed) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    const { clock, listened } = this.#deps;
    while (!this.#closed && (this.#all || this.#some.size > 0)) {
      const cids = this.#all ? [...new Set([...listened(), ...this.#some])] : [...this.#some];
      this.#all = false;
      this.#some = new Set();
      for (let at = 0; at < cids.length && !this.#closed; at += PAGE) await this.#look(cids.slice(at, at + PAGE));
      await clock.sleep(REST_MS);
    }
    this.#running = false;
  }

  async #look(cids: readonly string[]): Promise<void> {
    const { reads, clock, found } = this.#deps;
    while (!this.#closed) {
      try {
        const revs = await reads.revs(cids);
        return found(cids.flatMap((cid, i) => (revs[i] === undefined ? [] : [{ cid, rev: revs[i] }])));
      } catch {
        // The store says so where it is asked for more than this; what was missed there is still missed.
        await clock.sleep(RETRY_MS);
      }
    }
  }
}
