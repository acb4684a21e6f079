import type { Clock } from '@gapless/kit';
import type { Committed } from './events.ts';
import { type ChangeDetail, type ConversationView, LOST, type LogEntry } from './model.ts';
import type { Command, ConversationReads, Outcome, Store } from './ports/store.ts';
import { type ReadPosition, ReadPositions } from './read-positions.ts';

export interface OwnReadsLimits {
  /** Own positions are written so long after the first of them, merged: who talks fast costs one row a second. */
  mergeMs: number;
  /** Positions written at a time: the batch of sends that they get into takes 2 ms longer on Postgres. */
  partMin: number;
  /** Parts that they are written in when there are more, one after the other: each batch waits for its share. */
  parts: number;
  /** Positions that wait to be written: some 10 MB. Beyond it each send moves its own again, as with `ensureMembers`. */
  waitingMax: number;
  /**
   * What is written, or another node writes, is shown so long at least: longer than a read of the store takes, than the other node
   * merges, and than it takes to notice that it is gone and to heal.
   */
  shownMs: number;
  /** Positions that are shown for that reason, twice: some 10 MB each. More of them are shown for a shorter time. */
  shownMax: number;
}

const DEFAULTS: OwnReadsLimits = { mergeMs: 1_000, partMin: 50, parts: 8, waitingMax: 100_000, shownMs: 10_000, shownMax: 100_000 };

/** After a write failed: the store is away, or has too much to do. */
const RETRY_MS = 1_000;

/** Log rows that are looked at after a crash: what is saved at 15,000 a second until a node is missed (5 s), and in its last second. 0.1 s of Postgres. */
const HEAL_ROWS = 100_000;

/** From one healing to the next. */
const HEAL_PAUSE_MS = 10_000;

export interface OwnReadsDeps {
  store: Store;
  clock: Clock;
  /** Of the writer that commits through our `store`. */
  append(command: Command): Promise<Outcome>;
  onError(error: unknown): void;
  /** Positions moved in the store without a word: what is cached of them may be behind. */
  onHealed?: () => void;
  limits?: Partial<OwnReadsLimits>;
}

type LastReads = Pick<ConversationReads, 'heads' | 'conversationsOf' | 'conversationView' | 'participants' | 'positions'>;

/**
 * Sending reads: the own read position of who sends follows their messages, and a send touches no member row.
 *
 * 1. What `store.commit` saves is noted before anyone is answered, and shown from then on by all reads of `store`.
 * 2. A moment later it is written, merged, as `read` commands; nobody is told of them, as of a position that did not move.
 * 3. Messages of other nodes are shown too (`heard`). Their nodes write them.
 * 4. At an orderly end what is left is written. What a crash left, of any node, `heal` finds in the log.
 */
export class OwnReads {
  /** As the one underneath, but for the own positions: as if each send moved it. */
  readonly store: Store;
  readonly #deps: OwnReadsDeps;
  readonly #limits: OwnReadsLimits;
  /** To be written next. */
  #waiting = new ReadPositions();
  /** Being written now. */
  #writing = new ReadPositions();
  /** Written, or written by another node. Two generations: in the older one is what was put in before the last turn. */
  #shown = new ReadPositions();
  #fading = new ReadPositions();
  /** Who was removed or came back lately, and at which rev: a message of before may be heard of after it. Two generations as well. */
  #changed = new ReadPositions();
  #changedBefore = new ReadPositions();
  #underWay: Promise<void> | undefined;
  #stopWait: (() => void) | undefined;
  #stopHealWait: (() => void) | undefined;
  readonly #stopTurns: () => void;
  #healedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(deps: OwnReadsDeps) {
    this.#deps = deps;
    this.#limits = { ...DEFAULTS, ...deps.limits };
    this.store = { ...deps.store, ...this.#reads(), commit: (batch) => this.#commit(batch) };
    this.#stopTurns = deps.clock.every(this.#limits.shownMs, () => this.#turn());
  }

  /** What another node committed. */
  heard({ entries }: Committed): void {
    for (const entry of entries) {
      const { cid, rev } = entry;
      if (entry.op === 'message') this.#show({ cid, uid: entry.from, pos: entry.seq, rev });
      else this.#forget(cid, rev, entry.detail);
    }
  }

  /** Makes good what was committed and never written. Where that fails, it is tried again. */
  async heal(): Promise<void> {
    const { store, clock, onError, onHealed } = this.#deps;
    this.#healedAt = clock.elapsed();
    try {
      const moved = await store.healOwnReads({ rows: HEAL_ROWS });
      if (moved > 0) onHealed?.();
    } catch (error) {
      onError(error);
      this.healSoon();
    }
  }

  /** For when a node may have ended without writing: soon, and once for several. */
  healSoon(): void {
    if (this.#closed || this.#stopHealWait !== undefined) return;
    const { clock } = this.#deps;
    const waitMs = Math.max(0, this.#healedAt + HEAL_PAUSE_MS - clock.elapsed());
    this.#stopHealWait = clock.after(waitMs, () => {
      this.#stopHealWait = undefined;
      void this.heal();
    });
  }

  /** Writes what waits, and nothing after it. What cannot be written now, the next start heals. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTurns();
    this.#stopWait?.();
    this.#stopHealWait?.();
    await this.#underWay;
    await this.#write();
  }

  async #commit(batch: readonly Command[]): Promise<readonly Outcome[]> {
    const { store } = this.#deps;
    const isFull = this.#waiting.size + this.#writing.size >= this.#limits.waitingMax;
    const commands = isFull ? batch.map(ensuring) : batch;
    try {
      return this.#note(commands, await store.commit(commands));
    } catch (error) {
      // Some of it may be saved all the same.
      if (batch.some(({ op }) => op === 'send' || op === 'save' || op === 'settle')) this.healSoon();
      throw error;
    }
  }

  /** In the order of the commands. A position that a send before it moved further did not move. */
  #note(batch: readonly Command[], outcomes: readonly Outcome[]): readonly Outcome[] {
    let told: Outcome[] | undefined;
    for (let i = 0; i < batch.length; i++) {
      const [command, outcome] = [batch[i]!, outcomes[i]!];
      if (!outcome.ok) continue;
      if (outcome.op === 'read' && command.op === 'read') {
        const own = this.#posOf(command.cid, command.uid);
        if (own < outcome.pos) continue;
        told ??= [...outcomes];
        told[i] = { ...outcome, pos: own, advanced: false };
      } else if (outcome.op === 'send' && command.op === 'send') {
        // Who saved the first one of a `dup` may have died before it wrote the position.
        if (!command.ensureMembers || outcome.dup) this.#wait({ cid: command.cid, uid: command.from, pos: outcome.seq, rev: outcome.rev });
      } else if (outcome.op === 'save' && command.op === 'save') {
        const { cid, seq, rev, send } = command;
        this.#wait({ cid, uid: send.from, pos: seq, rev });
      } else if (outcome.op === 'settle') for (const entry of outcome.entries) this.#noteEntry(entry);
      else if ('entry' in outcome && outcome.entry?.op === 'change') {
        const { cid, rev, detail } = outcome.entry;
        this.#forget(cid, rev, detail);
      }
    }
    return told ?? outcomes;
  }

  #noteEntry(entry: LogEntry): void {
    if (entry.op !== 'message' || entry.message.kind === LOST.kind) return;
    const { cid, from, seq, rev } = entry.message;
    this.#wait({ cid, uid: from, pos: seq, rev });
  }

  #wait(position: ReadPosition): void {
    if (this.#isOver(position)) return;
    this.#waiting.raise(position);
    if (this.#stopWait === undefined && this.#underWay === undefined) this.#writeIn(this.#limits.mergeMs);
  }

  #writeIn(ms: number): void {
    if (this.#closed) return;
    this.#stopWait = this.#deps.clock.after(ms, () => {
      this.#stopWait = undefined;
      this.#underWay = this.#write().then((failed) => {
        this.#underWay = undefined;
        if (this.#waiting.size > 0) this.#writeIn(failed ? RETRY_MS : this.#limits.mergeMs);
      });
    });
  }

  /** Never rejects; resolves to whether something has to be tried again. */
  async #write(): Promise<boolean> {
    this.#writing = this.#waiting;
    this.#waiting = new ReadPositions();
    const failures: unknown[] = [];
    const { partMin, parts } = this.#limits;
    const partSize = Math.max(partMin, Math.ceil(this.#writing.size / parts));
    let part: Promise<unknown>[] = [];
    for (const position of this.#writing) {
      part.push(this.#writeOne(position).catch((error: unknown) => failures.push(error)));
      if (part.length < partSize) continue;
      await Promise.all(part);
      part = [];
    }
    await Promise.all(part);
    this.#writing = new ReadPositions();
    if (failures.length > 0) this.#deps.onError(failures[0]);
    return failures.length > 0;
  }

  async #writeOne(position: ReadPosition): Promise<void> {
    const { cid, uid, pos } = position;
    try {
      const outcome = await this.#deps.append({ op: 'read', cid, uid, pos });
      // Else the user takes part no longer.
      if (outcome.ok && this.#writing.get(cid, uid) === pos) this.#show(position);
    } catch (error) {
      if (this.#writing.get(cid, uid) === pos) this.#waiting.raise(position);
      throw error;
    }
  }

  #show(position: ReadPosition): void {
    if (this.#isOver(position)) return;
    this.#shown.raise(position);
    if (this.#shown.size >= this.#limits.shownMax) this.#turnShown();
  }

  /** Its sender was removed, or came back, since. */
  #isOver({ cid, uid, rev }: ReadPosition): boolean {
    return Math.max(this.#changed.get(cid, uid), this.#changedBefore.get(cid, uid)) > rev;
  }

  #turn(): void {
    this.#turnShown();
    this.#turnChanged();
  }

  #turnShown(): void {
    this.#fading = this.#shown;
    this.#shown = new ReadPositions();
  }

  #turnChanged(): void {
    this.#changedBefore = this.#changed;
    this.#changed = new ReadPositions();
  }

  /** Who was removed, or comes back, has read nothing. What they wrote since counts: another node's change may be heard of late. */
  #forget(cid: string, rev: number, detail: ChangeDetail): void {
    if (detail.op !== 'participants_added' && detail.op !== 'participants_removed') return;
    for (const uid of detail.users) {
      for (const positions of this.#all()) positions.delete(cid, uid, rev);
      this.#changed.raise({ cid, uid, pos: rev, rev });
      if (this.#changed.size >= this.#limits.shownMax) this.#turnChanged();
    }
  }

  #all(): readonly ReadPositions[] {
    return [this.#waiting, this.#writing, this.#shown, this.#fading];
  }

  #posOf(cid: string, uid: string): number {
    return Math.max(this.#waiting.get(cid, uid), this.#writing.get(cid, uid), this.#shown.get(cid, uid), this.#fading.get(cid, uid));
  }

  /** Looked up when the rows are there: a message that they count was noted before. */
  #reads(): LastReads {
    const { store } = this.#deps;
    const raised = <R extends { readonly lastRead: number; readonly head?: number }>(row: R, cid: string, uid: string, seen = 0): R => {
      // Not beyond what the row knows: a message may have been saved since it was read.
      const own = Math.min(Math.max(this.#posOf(cid, uid), seen), row.head ?? Number.POSITIVE_INFINITY);
      return own > row.lastRead ? { ...row, lastRead: own } : row;
    };
    // A message of another node may be in the store before it is heard of here.
    const view = (uid: string, row: ConversationView) => raised(row, row.cid, uid, row.lastMessage?.from === uid ? row.lastMessage.seq : 0);
    return {
      heads: async (uid, cids) => (await store.heads(uid, cids)).map((row) => row && raised(row, row.cid, uid)),
      conversationsOf: async (uid, options) => (await store.conversationsOf(uid, options)).map((row) => view(uid, row)),
      conversationView: async (uid, cid) => {
        const row = await store.conversationView(uid, cid);
        return row && view(uid, row);
      },
      participants: async (cid, options) => (await store.participants(cid, options)).map((row) => raised(row, cid, row.uid)),
      positions: async (cid) => {
        const stored = (await store.positions(cid)).map((row) => raised(row, cid, row.uid));
        const others = new Set(this.#all().flatMap((positions) => [...positions.usersOf(cid)]));
        for (const { uid } of stored) others.delete(uid);
        return [...stored, ...[...others].map((uid) => ({ uid, lastRead: this.#posOf(cid, uid), delivered: 0 }))];
      },
    };
  }
}

function ensuring(command: Command): Command {
  return command.op === 'send' ? { ...command, ensureMembers: true } : command;
}
