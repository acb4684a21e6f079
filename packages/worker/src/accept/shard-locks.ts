import { type AcceptGroup, AcceptLogAway } from '@gapless/core';
import type { AcceptWorkerDeps } from './deps.ts';

/** Shards of one group that this node works on: its share of them, and what nobody else takes. */
export class ShardLocks {
  readonly #deps: AcceptWorkerDeps;
  readonly #group: AcceptGroup;
  readonly #owned = new Set<number>();
  /** Taken over, and what its former worker left not looked at yet. */
  readonly #fresh = new Set<number>();
  /** Those that the last look did not ask for. */
  #passed: ReadonlySet<number> = new Set();
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
      this.#passed = new Set();
      this.#epoch = epoch;
    }
    if (epoch === undefined) return;
    const shards = await accept.shards();
    const share = Math.ceil(shards / Math.max(1, epochs.liveNodes));
    await this.#giveBack(epoch, share);
    await this.#take(epoch, shards, share);
  }

  async #giveBack(epoch: number, share: number): Promise<void> {
    const { accept, node } = this.#deps;
    for (const shard of this.owned.slice(0, Math.max(0, this.#owned.size - share))) {
      this.#owned.delete(shard);
      await accept.unlock(epoch, this.#group, shard, node);
    }
  }

  async #take(epoch: number, shards: number, share: number): Promise<void> {
    const { accept, node, limits } = this.#deps;
    const mine = this.owned;
    const others = Array.from({ length: shards }, (_, shard) => shard).filter((shard) => !this.#owned.has(shard));
    // Beyond the share those that were passed over before, and are free still: who should have them had a look meanwhile.
    const passed = others.filter((shard) => this.#passed.has(shard));
    const first = mine.length < share ? others.filter((shard) => !this.#passed.has(shard)) : [];
    const most = Math.max(share, mine.length + passed.length);
    const wanted = [...mine, ...passed, ...first];
    const own = await accept.lock(epoch, this.#group, { shards: wanted, most, node, ttlMs: limits.lockTtlMs });
    this.#passed = new Set(others.filter((shard) => !wanted.includes(shard)));
    this.#owned.clear();
    for (const shard of own) {
      this.#owned.add(shard);
      if (!mine.includes(shard)) this.#fresh.add(shard);
    }
  }
}
