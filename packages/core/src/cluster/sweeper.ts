import type { Clock } from '@gapless/kit';
import type { KnownRev } from '../events.ts';
import type { Log } from '../ports/log.ts';
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
  log: Log;
  /** Conversations with listeners here. */
  listened(): Iterable<string>;
  /** What the store has of them; `doubted` are those that were named. */
  found(revs: readonly KnownRev[], doubted: ReadonlySet<string>): void;
}

/** Asks the store how far conversations are, where that may not have been told: whoever is behind then reads what is missing. */
export class Sweeper {
  readonly #deps: SweeperDeps;
  /** To be looked at; `all`: whatever has listeners by then. */
  #all = false;
  #doubted = new Set<string>();
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
    for (const cid of cids) this.#doubted.add(cid);
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
    while (!this.#closed && (this.#all || this.#doubted.size > 0)) {
      const doubted = this.#doubted;
      const cids = this.#all ? [...new Set([...doubted, ...listened()])] : [...doubted];
      this.#all = false;
      this.#doubted = new Set();
      for (let at = 0; at < cids.length && !this.#closed; at += PAGE) await this.#look(cids.slice(at, at + PAGE), doubted);
      await clock.sleep(REST_MS);
    }
    this.#running = false;
  }

  async #look(cids: readonly string[], doubted: ReadonlySet<string>): Promise<void> {
    const revs = await this.#ask(cids);
    try {
      this.#deps.found(
        cids.flatMap((cid, i) => (revs[i] === undefined ? [] : [{ cid, rev: revs[i] }])),
        doubted,
      );
    } catch (error) {
      this.#deps.log.error({ err: error }, 'what was found in the store was not taken');
    }
  }

  async #ask(cids: readonly string[]): Promise<readonly (number | undefined)[]> {
    const { reads, clock } = this.#deps;
    while (!this.#closed) {
      try {
        return await reads.revs(cids);
      } catch {
        // The store says so where it is asked for more than this; what was missed there is still missed.
        await clock.sleep(RETRY_MS);
      }
    }
    return [];
  }
}
