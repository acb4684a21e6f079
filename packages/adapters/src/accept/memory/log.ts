import {
  type AcceptGroup,
  type AcceptLog,
  AcceptLogAway,
  type AcceptRequest,
  type Opening,
  type SavedUpTo,
  type ShardEntry,
  type WantedLocks,
} from '@gapless/core';
import { acceptAll, isOpen } from './accepting.ts';
import { close, hold, intend, open, tailOf } from './conversations.ts';
import type { MemoryAcceptServer } from './server.ts';
import { entriesOf, oldestOf, read, reclaim, saved } from './shards.ts';
import { type EpochState, newEpoch, type ShardState } from './state.ts';

/** One node's connection. */
export class MemoryAcceptLog implements AcceptLog {
  readonly capabilities = { durable: false, multiProcess: false };
  readonly #server: MemoryAcceptServer;
  readonly #stops = new Set<() => void>();
  #ended = false;

  constructor(server: MemoryAcceptServer) {
    this.#server = server;
  }

  async epoch() {
    return this.#ask(() => {
      const { current } = this.#server.state;
      return current?.run === this.#server.run ? current.epoch : undefined;
    });
  }

  async begin(epoch: number) {
    this.#ask(() => {
      const { state, run, shards } = this.#server;
      if (this.#server.epoch(epoch) !== undefined) return;
      if ((state.current?.epoch ?? 0) > epoch || state.epochs.get(epoch)?.openings)
        throw new Error(`accept log: epoch ${epoch} was begun here before`);
      state.epochs.set(epoch, newEpoch(shards));
      state.current = { epoch, run };
    });
  }

  watch(restored: () => void) {
    const stop = this.#server.watch(restored);
    this.#stops.add(stop);
    return stop;
  }

  async admit(epoch: number, node: string) {
    this.#in(epoch, undefined, ({ admitted }) => void admitted.add(node));
  }

  async bar(epoch: number, node: string) {
    this.#in(epoch, undefined, ({ admitted }) => void admitted.delete(node));
    return this.#now;
  }

  async accept(epoch: number, requests: readonly AcceptRequest[]) {
    return this.#ask(() => {
      const state = this.#server.epoch(epoch);
      if (state === undefined) return requests.map(() => ({ ok: false, code: 'over' }) as const);
      const outcomes = acceptAll(state, requests, { ...this.#server.limits, epoch, now: this.#now });
      this.#server.wake();
      return outcomes;
    });
  }

  async intend(epoch: number, cid: string) {
    return this.#in<ReturnType<typeof intend> | 'over'>(epoch, 'over', (state) => intend(state, cid, this.#now));
  }

  async open(epoch: number, opening: Opening) {
    return this.#in(epoch, false, (state) => open(state, opening, this.#now));
  }

  async hold(epoch: number, cid: string) {
    return this.#in(epoch, undefined, (state) => hold(state, cid));
  }

  async close(epoch: number, cid: string, { opening, holdMs }: { opening: number; holdMs: number }) {
    this.#in(epoch, undefined, (state) => close(state, cid, { opening, until: this.#now + holdMs }));
  }

  async tails(epoch: number, cids: readonly string[]) {
    const none = cids.map(() => undefined);
    return this.#in(epoch, none, (state) => cids.map((cid) => tailOf(state.conversations.get(cid))));
  }

  async pending(epoch: number, cid: string, { after, limit }: { after: number; limit: number }) {
    return this.#in(epoch, [], (state) => {
      const conversation = state.conversations.get(cid);
      const all = isOpen(conversation) ? [...conversation.pending.values()] : [];
      return all.filter(({ rev }) => rev > after).slice(0, limit);
    });
  }

  async shards() {
    return this.#ask(() => {
      const { state, run, shards } = this.#server;
      return state.current?.run === run ? state.epochs.get(state.current.epoch)!.shards.length : shards;
    });
  }

  async lock(epoch: number, group: AcceptGroup, { shards, most, node, ttlMs }: WantedLocks) {
    return this.#in(epoch, [], ({ locks }) => {
      const isFree = (shard: number) => {
        const held = locks.get(`${group}:${shard}`);
        return held === undefined || held.node === node || held.until <= this.#now;
      };
      const own = shards.filter(isFree).slice(0, most);
      for (const shard of own) locks.set(`${group}:${shard}`, { node, until: this.#now + ttlMs });
      return own;
    });
  }

  async unlock(epoch: number, group: AcceptGroup, shard: number, node: string) {
    this.#in(epoch, undefined, ({ locks }) => {
      if (locks.get(`${group}:${shard}`)?.node === node) locks.delete(`${group}:${shard}`);
    });
  }

  async read(
    epoch: number,
    group: AcceptGroup,
    { shards, node, count, blockMs }: { shards: readonly number[]; node: string; count: number; blockMs: number },
  ) {
    const until = this.#now + blockMs;
    for (;;) {
      const found = this.#in(epoch, [], (state) =>
        shards
          .map((shard) => ({ shard, entries: read(state.shards[shard]!, group, { node, count }) }))
          .filter(({ entries }) => entries.length > 0),
      );
      const leftMs = until - this.#now;
      if (found.length > 0 || leftMs <= 0) return found;
      await this.#server.wakeOrAfter(leftMs);
    }
  }

  async reclaim(epoch: number, group: AcceptGroup, { shard, node, count }: { shard: number; node: string; count: number }) {
    return this.#in(epoch, [], (state) => reclaim(state.shards[shard]!, group, { node, count }));
  }

  async delivered(epoch: number, shard: number, ids: readonly string[]) {
    this.#in(epoch, undefined, (state) => {
      for (const id of ids) state.shards[shard]!.groups.deliver.pending.delete(Number(id));
    });
  }

  async saved(epoch: number, shard: number, ids: readonly string[], upTo: readonly SavedUpTo[]) {
    this.#in(epoch, undefined, (state) => saved(state, state.shards[shard]!, ids, upTo));
  }

  async backlog(epoch: number) {
    return this.#in<{ entries: number; oldestAt?: number }>(epoch, { entries: 0 }, (state) => {
      const oldestAt = oldestOf(state);
      return { entries: state.waiting, ...(oldestAt === undefined ? {} : { oldestAt }) };
    });
  }

  async leftovers(epoch: number) {
    return this.#ask(() => [...this.#server.state.epochs].filter(([old, state]) => old < epoch && state.waiting > 0).map(([old]) => old));
  }

  async entries(epoch: number, shard: number, { after, limit }: { after: string; limit: number }): Promise<ShardEntry[]> {
    return this.#ask(() => {
      const of: ShardState | undefined = this.#server.state.epochs.get(epoch)?.shards[shard];
      return of === undefined ? [] : entriesOf(of, Number(after), limit);
    });
  }

  async shardsOf(epoch: number) {
    return this.#ask(() => this.#server.state.epochs.get(epoch)?.shards.length ?? 0);
  }

  async drop(epoch: number) {
    this.#ask(() => {
      const { state } = this.#server;
      if (state.current?.epoch === epoch) state.current = undefined;
      state.epochs.delete(epoch);
    });
  }

  async check() {
    this.#ask(() => {});
  }

  async end() {
    this.#ended = true;
    for (const stop of this.#stops) stop();
    this.#server.wake();
  }

  get #now(): number {
    return this.#server.clock.now();
  }

  #ask<T>(task: () => T): T {
    if (this.#ended) throw new AcceptLogAway();
    return this.#server.ask(task);
  }

  /** Does it in the epoch; where that is over, nothing happens. */
  #in<T>(epoch: number, over: T, task: (state: EpochState) => T): T {
    return this.#ask(() => {
      const state = this.#server.epoch(epoch);
      return state === undefined ? over : task(state);
    });
  }
}
