import { ChatError } from '../errors.ts';
import type { EpochDeps } from './deps.ts';

/** What is unsaved for so long is asked for: the notice may be lost. */
const OVERDUE_MS = 2_000;

/** Finds out what became of unsaved messages of which no notice came. */
export class Verification {
  readonly #deps: EpochDeps;

  constructor(deps: EpochDeps) {
    this.#deps = deps;
  }

  /** Messages of epochs up to that one, which is over: each is in the store by now, or lost. */
  async verify(epoch: number): Promise<void> {
    const { unsaved } = this.#deps;
    for (const cid of unsaved.cids) {
      if (unsaved.of(cid).some((accepted) => accepted.epoch <= epoch)) await this.#look(cid, epoch, { isOver: true });
    }
  }

  /** `isOver`: what the store has not, is lost. */
  async #look(cid: string, epoch: number, { isOver }: { isOver: boolean }): Promise<void> {
    const { store, unsaved, metrics } = this.#deps;
    const messages = unsaved.of(cid).filter((accepted) => accepted.epoch <= epoch);
    const found = await store.firstOutcomes(
      cid,
      messages.map(({ send }) => send.mid),
    );
    for (const [i, accepted] of messages.entries()) {
      const first = found[i];
      if (first !== undefined) unsaved.settle(accepted, first);
      else if (isOver && unsaved.settle(accepted, new ChatError('store_unavailable'))) metrics.lost(1);
    }
  }

  /** How much of the epoch that is on is unsaved. While the log is away that stays as it was. */
  async measure(epoch: number | undefined): Promise<void> {
    const { unsaved, accept, clock, metrics } = this.#deps;
    metrics.unsaved(unsaved.size);
    if (epoch === undefined) return;
    const backlog = await accept.backlog(epoch).catch(() => undefined);
    if (backlog === undefined) return;
    const { entries, oldestAt } = backlog;
    metrics.backlog({ entries, oldestMs: oldestAt === undefined ? 0 : Math.max(0, clock.now() - oldestAt) });
  }

  /** What should be saved by now: the notice may not have arrived. */
  async sweep(epoch: number): Promise<void> {
    const { unsaved, accept, clock } = this.#deps;
    const cids = unsaved.overdue(clock.elapsed() - OVERDUE_MS);
    if (cids.length === 0) return;
    const tails = await accept.tails(epoch, cids);
    for (const [i, cid] of cids.entries()) {
      const tail = tails[i];
      if (tail !== undefined) unsaved.saved({ cid, rev: tail.savedRev, epoch });
      // It was closed, and is in the store; or the log was emptied a moment ago, and that is found out at the next turn.
      else await this.#look(cid, epoch, { isOver: false });
    }
  }
}
