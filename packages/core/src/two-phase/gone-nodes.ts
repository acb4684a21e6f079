import type { EpochDeps } from './deps.ts';

/** A node that was not seen for so long is taken for gone. Five turns of `Epochs`: a slow store is no death. */
export const LEASE_MS = 5_000;

/** Nodes of an epoch that are not seen any more. */
export class GoneNodes {
  readonly #deps: EpochDeps;
  /** When each was barred, by the log's clock. */
  readonly #barred = new Map<string, number>();
  #epoch = 0;

  constructor(deps: EpochDeps) {
    this.#deps = deps;
  }

  /**
   * A node that is gone need not be waited for at the end, once everything that it can have accepted is saved. It may only be cut off: the log
   * takes nothing more from it.
   */
  async look(epoch: number, gone: readonly string[]): Promise<void> {
    const { store, accept, log } = this.#deps;
    if (epoch !== this.#epoch) this.#barred.clear();
    this.#epoch = epoch;
    for (const node of this.#barred.keys()) if (!gone.includes(node)) this.#barred.delete(node);
    for (const node of gone) {
      const barredAt = this.#barred.get(node);
      if (barredAt === undefined) {
        this.#barred.set(node, await accept.bar(epoch, node));
        continue;
      }
      const { oldestAt = Number.POSITIVE_INFINITY } = await accept.backlog(epoch);
      // What is not there any more is saved, unless something happened to the log.
      if (oldestAt <= barredAt || (await accept.epoch()) !== epoch) continue;
      await store.forgetAcceptNode(node, epoch);
      this.#barred.delete(node);
      log.info({ node }, 'everything that a node accepted, which is gone, is saved');
    }
  }
}
