import { AcceptLogAway } from '@gapless/core';
import { type AcceptWorkerDeps, RETRY_MAX_MS } from './deps.ts';
import { ShardLocks } from './shard-locks.ts';

/** Entries of a shard announced in one round: numbers only, so that many cost little. */
const COUNT = 1_000;

/**
 * Announces by number what is accepted and not saved yet. The node that accepted a message tells it at once, with its body; should that
 * node die before, the others find out here, and read the log.
 */
export class Deliverer {
  readonly #deps: AcceptWorkerDeps;
  readonly #locks: ShardLocks;
  readonly #running: Promise<void>;
  #closed = false;

  constructor(deps: AcceptWorkerDeps) {
    this.#deps = deps;
    this.#locks = new ShardLocks(deps, 'deliver');
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#locks.close();
  }

  async #run(): Promise<void> {
    const { epochs, clock, log, metrics, rules, limits } = this.#deps;
    while (!this.#closed) {
      const { epoch } = epochs;
      if (epoch === undefined || !rules.deliverBeforeSaved) {
        await epochs.change(RETRY_MAX_MS);
        if (epoch !== epochs.epoch) await this.#locks.renew();
        continue;
      }
      try {
        await this.#round(epoch);
      } catch (error) {
        if (!(error instanceof AcceptLogAway)) {
          metrics.failed('deliver');
          log.error({ err: error }, 'accepted messages not announced; tried again');
        }
        for (const shard of this.#locks.owned) this.#locks.refresh(shard);
      }
      await clock.sleep(limits.blockMs);
    }
  }

  async #round(epoch: number): Promise<void> {
    const { accept, node, tell } = this.#deps;
    if (this.#locks.owned.length === 0) await this.#locks.renew();
    const parts = [];
    for (const shard of this.#locks.takeFresh()) {
      const entries = await accept.reclaim(epoch, 'deliver', { shard, node, count: COUNT });
      if (entries.length === COUNT) this.#locks.refresh(shard);
      parts.push({ shard, entries });
    }
    const shards = this.#locks.owned;
    if (shards.length > 0) parts.push(...(await accept.read(epoch, 'deliver', { shards, node, count: COUNT, blockMs: 0 })));
    const revs = new Map<string, number>();
    for (const { entries } of parts)
      for (const { accepted } of entries) revs.set(accepted.send.cid, Math.max(accepted.rev, revs.get(accepted.send.cid) ?? 0));
    if (revs.size > 0) tell({ entries: [], receipts: [], revs: [], accepted: [...revs].map(([cid, rev]) => ({ cid, rev })) });
    for (const { shard, entries } of parts) {
      const ids = entries.map(({ id }) => id);
      if (ids.length > 0) await accept.delivered(epoch, shard, ids);
    }
  }
}
