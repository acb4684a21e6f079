import type { Clock } from '@gapless/kit';
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
  /** It is saved under these numbers, or lost with that error. Returns whether anybody waited for it. */
  end(end: Numbers | Error): boolean;
}

/** Notices that are remembered, at least: one may be quicker than the answer that it is about. Far more than are under way at once. */
const REMEMBERED = 5_000;

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
  /** The last notice of each conversation, of the newest ones; then the same of those before. */
  #notices = new Map<string, SavedRev>();
  #noticesBefore = new Map<string, SavedRev>();
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

  /** Whether a notice of the last ones said so. */
  isSaved({ epoch, rev, send }: Accepted): boolean {
    const notice = this.#noticeOf(send.cid);
    return notice?.epoch === epoch && notice.rev >= rev;
  }

  /** It is kept until it is saved. */
  note(accepted: Accepted, now: number): void {
    if (!this.isSaved(accepted)) this.#entry(accepted, now);
  }

  /** Resolves when it is saved; rejects when it is lost. */
  wait(accepted: Accepted, now: number): Promise<Numbers> {
    if (this.isSaved(accepted)) return Promise.resolve(numbersOf(accepted));
    const { promise, resolve, reject } = Promise.withResolvers<Numbers>();
    // Nobody may listen: a request over HTTP is answered when it is accepted.
    promise.catch(() => {});
    this.#entry(accepted, now).waiters.push({ resolve, reject });
    return promise;
  }

  /** Waits until it is heard that the conversation is saved up to the rev, or more of it at least; false: it was not within `ms`. */
  async heard(cid: string, rev: number, { clock, ms }: { clock: Clock; ms: number }): Promise<boolean> {
    // Revs do not go back, whichever the epoch.
    if (rev > 0 && (this.#noticeOf(cid)?.rev ?? 0) >= rev) return true;
    const heard = new AbortController();
    const watcher: Watcher = { rev, done: () => heard.abort() };
    const watchers = this.#watchers.get(cid) ?? [];
    watchers.push(watcher);
    this.#watchers.set(cid, watchers);
    await clock.sleep(ms, heard.signal);
    const left = (this.#watchers.get(cid) ?? []).filter((other) => other !== watcher);
    if (left.length > 0) this.#watchers.set(cid, left);
    else this.#watchers.delete(cid);
    return heard.signal.aborted;
  }

  /** Everything of that epoch up to that rev is saved, under the numbers that were given. */
  saved(notice: SavedRev): void {
    const { cid, rev, epoch } = notice;
    this.#remember(notice);
    for (const { accepted, waiters } of this.#known.get(cid)?.values() ?? []) {
      if (accepted.epoch !== epoch || accepted.rev > rev) continue;
      this.#drop(accepted);
      endAll(waiters, numbersOf(accepted));
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
    return endAll(unsaved.waiters, end);
  }

  #remember(notice: SavedRev): void {
    const before = this.#noticeOf(notice.cid);
    if (before !== undefined && (before.epoch > notice.epoch || (before.epoch === notice.epoch && before.rev >= notice.rev))) return;
    this.#notices.set(notice.cid, notice);
    if (this.#notices.size < REMEMBERED) return;
    this.#noticesBefore = this.#notices;
    this.#notices = new Map();
  }

  #noticeOf(cid: string): SavedRev | undefined {
    return this.#notices.get(cid) ?? this.#noticesBefore.get(cid);
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

function numbersOf({ seq, rev, send }: Accepted): Numbers {
  return { seq, rev, at: send.at };
}

function endAll(waiters: readonly Waiter[], end: Numbers | Error): boolean {
  for (const waiter of waiters) {
    if (end instanceof Error) waiter.reject(end);
    else waiter.resolve(end);
  }
  return waiters.length > 0;
}
