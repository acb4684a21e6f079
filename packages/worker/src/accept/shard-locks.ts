import { type AcceptGroup, AcceptLogAway } from '@gapless/core';
import type { AcceptWorkerDeps } from './deps.ts';

/** Shards of one group that this node works on: its share of them, and what nobody else takes. */
export class ShardLocks {
  readonly #deps: AcceptWorkerDeps;
  readonly #group: AcceptGroup;
  readonly #owned = new Set<number>();
  /** Taken over, and what its former worker left not looked at yet. */
  readonly #fresh = new Set<number>();
  /** Free ones beyond the share, seen before. */
  readonly #free = new Set<number>();
  #epoch: number | undefined;
  #renewing: Promise<void> | undefined;
  readonly #stop: () => void;

  constructor(deps: AcceptWorkerDeps, group: AcceptGroup) {
    this.#deps = deps;
    this.#group = group;
    this.#stop = deps.clock.every(deps.limits.lockTtlMs / 3, () => void this.renew());
  }

  get owned(): number[] {
    return [...this.#owned];
  }

  /** Its entries may be another worker's leftovers: they come first. */
  refresh(shard: number): void {
    if (this.#owned.has(shard)) this.#fresh.add(shard);
  }

  /** Shards whose leftovers are to be looked at, from now on by the caller. */
  takeFresh(): number[] {
    const fresh = [...this.#fresh].filter((shard) => this.#owned.has(shard));
    this.#fresh.clear();
    return fresh;
  }

  /** Takes what this node should have, and gives back what is too much. */
  renew(): Promise<void> {
    return (this.#renewing ??= this.#renew()
      .catch((error: unknown) => {
        // Whoever has it now works on it; two at once do no harm.
        this.#owned.clear();
        if (!(error instanceof AcceptLogAway)) this.#deps.log.error({ err: error }, 'shards of the accept log not taken');
      })
      .finally(() => {
        this.#renewing = undefined;
        this.#deps.metrics.shardsOwned(this.#group, this.#owned.size);
      }));
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#renewing;
    const { accept, node } = this.#deps;
    const epoch = this.#epoch;
    if (epoch === undefined) return;
    for (const shard of this.#owned) await accept.unlock(epoch, this.#group, shard, node).catch(() => {});
    this.#owned.clear();
  }

  async #renew(): Promise<void> {
    const { accept, epochs } = this.#deps;
    const { epoch } = epochs;
    if (epoch !== this.#epoch) {
      this.#owned.clear();
      this.#fresh.clear();
      this.#free.clear();
      this.#epoch = epoch;
    }
    if (epoch === undefined) return;
    const shards = await accept.shards();
    const share = Math.ceil(shards / Math.max(1, epochs.liveNodes));
    for (let i = 0; i < shards; i++) await this.#try(epoch, i, share);
  }

  async #try(epoch: number, shard: number, share: number): Promise<void> {
    const { accept, node, limits } = this.#deps;
    const mine = this.#owned.has(shard);
    if (mine && this.#owned.size > share) {
      this.#owned.delete(shard);
      return accept.unlock(epoch, this.#group, shard, node);
    }
    // One beyond the share is taken at the second look only: the others have theirs by then.
    const isWanted = mine || this.#owned.size < share || this.#free.has(shard);
    if (!isWanted) {
      this.#free.add(shard);
      return;
    }
    const got = await accept.lock(epoch, this.#group, shard, node, limits.lockTtlMs);
    this.#free.delete(shard);
    if (!got) this.#owned.delete(shard);
    else if (!mine) {
      this.#owned.add(shard);
      this.#fresh.add(shard);
    }
  }
}
