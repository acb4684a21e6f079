import type { SavedRev } from '../events.ts';
import type { Accepted } from '../ports/accept-log.ts';
import type { Numbers } from '../ports/store.ts';

interface Waiter {
  resolve(numbers: Numbers): void;
  reject(error: unknown): void;
}

interface Unsaved {
  readonly accepted: Accepted;
  readonly since: number;
  readonly waiters: Waiter[];
}

export interface Taken {
  readonly accepted: Accepted;
  /** It is saved under these numbers, or lost with that error. */
  end(end: Numbers | Error): void;
}

/** Whoever waits until a conversation is saved up to a rev. */
interface Watcher {
  readonly rev: number;
  done(): void;
}

/**
 * What this node knows to be accepted and does not know to be saved, with its content: should the accept log be lost, it is saved from
 * here.
 */
export class UnsavedMessages {
  /** By cid, then epoch and rev. */
  readonly #known = new Map<string, Map<string, Unsaved>>();
  readonly #watchers = new Map<string, Watcher[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get cids(): string[] {
    return [...this.#known.keys()];
  }

  /** Conversations in which something is unsaved since before that time, or somebody waits. */
  overdue(before: number): string[] {
    const old = [...this.#known].filter(([, of]) => of.values().next().value!.since < before).map(([cid]) => cid);
    return [...new Set([...old, ...this.#watchers.keys()])];
  }

  all(): Accepted[] {
    return [...this.#known.values()].flatMap((of) => [...of.values()].map(({ accepted }) => accepted));
  }

  of(cid: string): Accepted[] {
    return [...(this.#known.get(cid)?.values() ?? [])].map(({ accepted }) => accepted);
  }

  /** It is kept until it is saved. */
  note(accepted: Accepted, now: number): void {
    this.#entry(accepted, now);
  }

  /** Resolves when it is saved; rejects as `lose` says. */
  wait(accepted: Accepted, now: number): Promise<Numbers> {
    const { promise, resolve, reject } = Promise.withResolvers<Numbers>();
    // Nobody may listen: a request over HTTP is answered when it is accepted.
    promise.catch(() => {});
    this.#entry(accepted, now).waiters.push({ resolve, reject });
    return promise;
  }

  /** Calls back when the conversation is saved up to the rev. Returns a function that stops it. */
  watch(cid: string, rev: number, done: () => void): () => void {
    const watcher = { rev, done };
    const watchers = this.#watchers.get(cid) ?? [];
    watchers.push(watcher);
    this.#watchers.set(cid, watchers);
    return () => {
      const left = (this.#watchers.get(cid) ?? []).filter((other) => other !== watcher);
      if (left.length > 0) this.#watchers.set(cid, left);
      else this.#watchers.delete(cid);
    };
  }

  /** Everything of that epoch up to that rev is saved, under the numbers that were given. */
  saved({ cid, rev, epoch }: SavedRev): void {
    for (const { accepted, waiters } of this.#known.get(cid)?.values() ?? []) {
      if (accepted.epoch !== epoch || accepted.rev > rev) continue;
      this.#drop(accepted);
      endAll(waiters, { seq: accepted.seq, rev: accepted.rev, at: accepted.send.at });
    }
    for (const watcher of this.#watchers.get(cid) ?? []) if (watcher.rev <= rev) watcher.done();
  }

  /** Those of these numbers are no more kept here, and are given. */
  take(cid: string, seqs: ReadonlySet<number>): Taken[] {
    const taken = [...(this.#known.get(cid)?.values() ?? [])].filter(({ accepted }) => seqs.has(accepted.seq));
    for (const { accepted } of taken) this.#drop(accepted);
    return taken.map(({ accepted, waiters }) => ({ accepted, end: (end) => endAll(waiters, end) }));
  }

  /** One message has its end: saved under these numbers, or lost with that error. Whether anybody waited for it. */
  settle(accepted: Accepted, end: Numbers | Error): boolean {
    const unsaved = this.#known.get(accepted.send.cid)?.get(keyOf(accepted));
    if (unsaved === undefined) return false;
    this.#drop(accepted);
    endAll(unsaved.waiters, end);
    return unsaved.waiters.length > 0;
  }

  #entry(accepted: Accepted, now: number): Unsaved {
    const { cid } = accepted.send;
    const key = keyOf(accepted);
    let known = this.#known.get(cid);
    if (known === undefined) this.#known.set(cid, (known = new Map()));
    let unsaved = known.get(key);
    if (unsaved !== undefined) return unsaved;
    unsaved = { accepted, since: now, waiters: [] };
    known.set(key, unsaved);
    this.#size++;
    return unsaved;
  }

  #drop(accepted: Accepted): void {
    const { cid } = accepted.send;
    const known = this.#known.get(cid);
    if (!known?.delete(keyOf(accepted))) return;
    this.#size--;
    if (known.size === 0) this.#known.delete(cid);
  }
}

function keyOf({ epoch, rev }: Accepted): string {
  return `${epoch} ${rev}`;
}

function endAll(waiters: readonly Waiter[], end: Numbers | Error): void {
  for (const waiter of waiters) {
    if (end instanceof Error) waiter.reject(end);
    else waiter.resolve(end);
  }
}
