import type { Clock } from '@gapless/kit';
import type { AccountStore } from './ports/store.ts';

const HOUR_MS = 60 * 60_000;

/** Ended sign-ins and replaced tokens are kept for so long: for who asks afterwards what happened. */
const KEEP_MS = 30 * 24 * HOUR_MS;

const PRUNE_EVERY_MS = HOUR_MS;

/** Rows of one step: some milliseconds of the writer. Messages go in between. */
const STEP_ROWS = 200;

/** Deletes what is left of old sign-ins, little by little, while it is not closed. */
export class SessionPruner {
  readonly #store: Pick<AccountStore, 'pruneSessions'>;
  readonly #clock: Clock;
  readonly #stop: () => void;
  #closed = false;
  #running: Promise<void> | undefined;

  constructor({ store, clock }: { store: Pick<AccountStore, 'pruneSessions'>; clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
    this.#stop = clock.every(PRUNE_EVERY_MS, () => {
      this.#running ??= this.#prune().finally(() => {
        this.#running = undefined;
      });
    });
  }

  /** The step under way is over when it resolves, and no other follows. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop();
    await this.#running;
  }

  async #prune(): Promise<void> {
    const before = this.#clock.now() - KEEP_MS;
    try {
      while (!this.#closed && (await this.#store.pruneSessions(before, STEP_ROWS)) > 0);
    } catch {
      // A store that cannot write says so elsewhere; nothing here is urgent, the next hour tries again.
    }
  }
}
