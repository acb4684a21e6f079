import type { RelayDeps } from './relay.ts';

/** Workers of one cluster; those beyond share as if they were not there. */
const SEATS_MAX = 64;

/** The beats of the seats stand where cursors do: what can be read without taking it, and written by the lease's holder only. */
const BEATS = 'relay/seat';

/**
 * How many workers live. Each has a seat, the lowest that was free, and counts its beats up there; a seat whose beats go on is a live
 * worker. A feed of one part needs no counting: there is nothing to share.
 */
export class Seats {
  readonly #deps: RelayDeps;
  /** Without a beat for so long a seat is empty. Shorter than a part's lease: when the parts of a dead worker come free, it is known. */
  readonly #ttlMs: number;
  #own: number | undefined;
  readonly #seen = new Map<number, { beat: number; changedAt: number }>();
  #live = 1;

  constructor(deps: RelayDeps) {
    this.#deps = deps;
    this.#ttlMs = deps.limits.leaseTtlMs / 3;
  }

  /** This one included. */
  get live(): number {
    return this.#live;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, feed, holder } = this.#deps;
    if (feed.parts === 1) return;
    while (!signal.aborted) {
      try {
        await this.#beat();
        await this.#look();
      } catch {
        // The count stays as it was. Who takes parts meets the same store, and says so.
      }
      await clock.sleep(this.#ttlMs / 3, signal);
    }
    // It would end by itself.
    if (this.#own !== undefined) await feed.releaseLease(seat(this.#own), holder).catch(() => {});
  }

  async #beat(): Promise<void> {
    const { feed, holder } = this.#deps;
    if (this.#own === undefined || !(await feed.acquireLease(seat(this.#own), holder, this.#ttlMs))) this.#own = await this.#free();
    if (this.#own === undefined) return;
    const id = (await feed.cursor(BEATS, this.#own)) + 1;
    await feed.saveCursor(BEATS, this.#own, { id, lease: seat(this.#own), holder });
  }

  async #free(): Promise<number | undefined> {
    const { feed, holder } = this.#deps;
    for (let n = 0; n < SEATS_MAX; n++) if (await feed.acquireLease(seat(n), holder, this.#ttlMs)) return n;
    return undefined;
  }

  async #look(): Promise<void> {
    const { feed, clock } = this.#deps;
    let others = 0;
    for (let n = 0; n < SEATS_MAX; n++) {
      const beat = await feed.cursor(BEATS, n);
      // Seats are taken from the lowest up: nobody ever sat further on.
      if (beat === 0) break;
      const seen = this.#seen.get(n);
      // At the first look nobody knows how old the beat is.
      if (seen?.beat !== beat) this.#seen.set(n, { beat, changedAt: seen === undefined ? Number.NEGATIVE_INFINITY : clock.elapsed() });
      if (n !== this.#own && clock.elapsed() - this.#seen.get(n)!.changedAt <= this.#ttlMs) others++;
    }
    this.#live = 1 + others;
  }
}

function seat(n: number): string {
  return `relay/seat/${n}`;
}
