import {
  AcceptLogAway,
  type CommittedEntry,
  committedEntry,
  type Outcome,
  type SavedUpTo,
  type ShardEntry,
  savedEntry,
} from '@gapless/core';
import { type AcceptWorkerDeps, RETRY_MAX_MS, RETRY_MS } from './deps.ts';
import { Paces } from './pace.ts';
import { ShardLocks } from './shard-locks.ts';

interface Waiting extends ShardEntry {
  readonly shard: number;
}

interface Saved {
  readonly entry: Waiting;
  readonly outcome: Outcome & ({ ok: true; op: 'save' } | { ok: false; code: 'twice' });
}

interface Committing {
  readonly saved: Saved[];
  /** To be tried again. */
  readonly failed: Waiting[];
  /** Some of those lack a number before them. */
  readonly waiting: boolean;
  /** The store has no place for some. */
  readonly misplaced: boolean;
}

/**
 * From one round to the next, unless batches are full: what comes meanwhile shares a commit and a notice. The first one after a rest waits
 * for nobody. Where others see a message when it is accepted, only the `saved` of its sender comes later.
 */
const ROUND_MS = 60;
const SHOWN_WHEN_SAVED_ROUND_MS = 25;

/** After so many tries a number is still missing before it: another worker has read it, and may be gone. */
const AHEAD_TRIES = 3;

/** Brings what is accepted into the store, batch by batch; nothing leaves the log before it is there. */
export class Saver {
  readonly #deps: AcceptWorkerDeps;
  readonly #locks: ShardLocks;
  readonly #paces = new Paces();
  readonly #running: Promise<void>;
  #closed = false;

  constructor(deps: AcceptWorkerDeps) {
    this.#deps = deps;
    this.#locks = new ShardLocks(deps, 'save');
    this.#running = this.#run();
  }

  /** Ends the batch under way; what the log still has is for the others. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#locks.close();
  }

  async #run(): Promise<void> {
    const { epochs, clock, log, metrics } = this.#deps;
    let rest = RETRY_MS;
    while (!this.#closed) {
      const { epoch } = epochs;
      if (epoch === undefined) {
        await epochs.change(RETRY_MAX_MS);
        await this.#locks.renew();
        continue;
      }
      try {
        await this.#round(epoch);
        rest = RETRY_MS;
      } catch (error) {
        if (!(error instanceof AcceptLogAway)) {
          metrics.failed('save');
          log.error({ err: error }, 'accepted messages not saved; tried again');
        }
        // What was read is pending for this node.
        for (const shard of this.#locks.owned) this.#locks.refresh(shard);
        epochs.look();
        await clock.sleep(rest);
        rest = Math.min(rest * 2, RETRY_MAX_MS);
      }
    }
  }

  async #round(epoch: number): Promise<void> {
    const { accept, node, limits, clock, rules } = this.#deps;
    for (const shard of this.#locks.takeFresh()) await this.#leftovers(epoch, shard);
    const shards = this.#locks.owned;
    if (shards.length === 0) {
      await this.#locks.renew();
      if (this.#locks.owned.length === 0) await clock.sleep(limits.blockMs);
      return;
    }
    const parts = await accept.read(epoch, 'save', { shards, node, count: limits.batchSize, blockMs: limits.blockMs });
    const entries = parts.flatMap(({ shard, entries }) => entries.map((entry) => ({ ...entry, shard })));
    if (entries.length === 0) return;
    const readAt = clock.elapsed();
    await this.#save(epoch, entries);
    const isFull = parts.some(({ entries }) => entries.length >= limits.batchSize);
    const roundMs = rules.deliverBeforeSaved ? ROUND_MS : SHOWN_WHEN_SAVED_ROUND_MS;
    if (!isFull) await clock.sleep(Math.max(0, roundMs - (clock.elapsed() - readAt)));
  }

  async #leftovers(epoch: number, shard: number): Promise<void> {
    const { accept, node, limits, epochs } = this.#deps;
    while (!this.#closed && epochs.epoch === epoch) {
      const entries = await accept.reclaim(epoch, 'save', { shard, node, count: limits.batchSize });
      if (entries.length === 0) return;
      if (
        !(await this.#save(
          epoch,
          entries.map((entry) => ({ ...entry, shard })),
        ))
      )
        return;
    }
  }

  /** Tries until all are in the store. Resolves to false where some are left: to whoever has what is missing before them, or to the end of the epoch. */
  async #save(epoch: number, entries: readonly Waiting[]): Promise<boolean> {
    const { epochs, clock, metrics } = this.#deps;
    let left = entries;
    let rest = RETRY_MS;
    let ahead = 0;
    while (left.length > 0) {
      if (this.#closed || epochs.epoch !== epoch) return false;
      const { saved, failed, waiting, misplaced } = await this.#commit(epoch, left);
      if (saved.length > 0) await this.#finish(epoch, saved);
      if (misplaced) {
        // Nothing is lost: at its end everything that the log has is brought into the store.
        epochs.giveUp(epoch);
        return false;
      }
      left = failed;
      if (left.length === 0) break;
      if (waiting && ++ahead >= AHEAD_TRIES) {
        for (const { shard } of left) this.#locks.refresh(shard);
        return false;
      }
      metrics.failed('save');
      await clock.sleep(rest);
      rest = Math.min(rest * 2, RETRY_MAX_MS);
    }
    return true;
  }

  async #commit(epoch: number, entries: readonly Waiting[]): Promise<Committing> {
    const { writer, clock, log } = this.#deps;
    const now = clock.now();
    const settled = await Promise.allSettled(
      entries.map(({ accepted: { seq, rev, send } }) =>
        writer.append({ op: 'save', cid: send.cid, epoch, seq, rev, send, window: this.#paces.window(send.cid, seq, now) }),
      ),
    );
    const saved: Saved[] = [];
    const failed: Waiting[] = [];
    let waiting = false;
    let misplaced = false;
    for (const [i, result] of settled.entries()) {
      const entry = entries[i]!;
      const outcome = result.status === 'fulfilled' ? result.value : undefined;
      if (outcome === undefined) failed.push(entry);
      else if (outcome.ok ? outcome.op === 'save' : outcome.code === 'twice') saved.push({ entry, outcome } as Saved);
      else if (!outcome.ok && outcome.code === 'ahead') {
        waiting = true;
        failed.push(entry);
      } else {
        misplaced = true;
        log.error({ outcome, cid: entry.accepted.send.cid, seq: entry.accepted.seq }, 'an accepted message was refused by the store');
      }
    }
    return { saved, failed, waiting, misplaced };
  }

  /** They are in the store: tells the log, and everybody. */
  async #finish(epoch: number, saved: readonly Saved[]): Promise<void> {
    const { accept, metrics, clock, epochs } = this.#deps;
    const now = clock.now();
    metrics.saved(saved.map(({ entry }) => Math.max(0, now - entry.accepted.send.at)));
    this.#tell(epoch, saved);
    try {
      // All at once: who was told by the notice finds room in the log.
      const shards = [...Map.groupBy(saved, ({ entry }) => entry.shard)];
      await Promise.all(
        shards.map(([shard, own]) => {
          const ids = own.map(({ entry }) => entry.id);
          return accept.saved(epoch, shard, ids, upToOf(own));
        }),
      );
    } catch (error) {
      // They are read again, and are in the store then.
      if (!(error instanceof AcceptLogAway)) throw error;
      for (const { entry } of saved) this.#locks.refresh(entry.shard);
      epochs.look();
    }
  }

  #tell(epoch: number, saved: readonly Saved[]): void {
    const { tell, rules, log } = this.#deps;
    const entries: CommittedEntry[] = [];
    const revs = new Map<string, number>();
    for (const { entry, outcome } of saved) {
      const { rev, send } = entry.accepted;
      revs.set(send.cid, Math.max(rev, revs.get(send.cid) ?? 0));
      if (!outcome.ok) {
        log.error({ cid: send.cid, rev }, 'a message was accepted that is in the store under another number');
        entries.push(...(outcome.entries ?? []).map(committedEntry));
      } else if (!rules.deliverBeforeSaved) {
        // Saved before, without a word: whoever did it did not know, or died. Told twice does no harm.
        entries.push(outcome.entry === undefined ? savedEntry(entry.accepted) : committedEntry(outcome.entry));
      }
    }
    tell({ entries, receipts: [], revs: [], saved: [...revs].map(([cid, rev]) => ({ cid, rev, epoch })) });
  }
}

function upToOf(saved: readonly Saved[]): SavedUpTo[] {
  const upTo = new Map<string, SavedUpTo>();
  for (const { entry, outcome } of saved) {
    const { seq, rev, send } = entry.accepted;
    const before = upTo.get(send.cid);
    const reserved = Math.max(outcome.ok ? outcome.reserved : 0, before?.reserved ?? 0);
    upTo.set(send.cid, { cid: send.cid, head: Math.max(seq, before?.head ?? 0), rev: Math.max(rev, before?.rev ?? 0), reserved });
  }
  return [...upTo.values()];
}
