import { type Clock, hashOf } from '@gapless/kit';
import { ChatError } from './errors.ts';
import { type CommittedEntry, type CommittedListener, committedEntry, type KnownRev, type Receipt } from './events.ts';
import type { Command, Outcome, Store } from './ports/store.ts';

export interface WriterOptions {
  store: Pick<Store, 'commit'>;
  clock: Clock;
  /** Called once per batch, after it is durable and after its callers were answered. */
  onCommitted: CommittedListener;
  onError?: (error: unknown) => void;
  /** A batch whose outcome is not known: some of these conversations may have moved on without a word. */
  onUnknown?: (cids: ReadonlySet<string>) => void;
  onBatch?: (batch: { size: number; ms: number }) => void;
  /** Called for each send that was in a batch, when that has its outcome: how long it waited for it to start, and in all. */
  onSent?: (queueMs: number, totalMs: number) => void;
  limits?: Partial<WriterLimits>;
}

export interface WriterLimits {
  /** Batches in flight at a time; conversations are spread over lanes by hash, so that a sender's order holds. */
  lanes: number;
  /** Commands in one transaction. More gains little and makes the first one wait for the last. */
  batchMax: number;
  /** Commands waiting in one lane before `server_busy`: about a second of work. */
  queueMax: number;
  /** A caller is answered by then, whatever the disk does. */
  timeoutMs: number;
}

const DEFAULTS: WriterLimits = { lanes: 1, batchMax: 1_000, queueMax: 10_000, timeoutMs: 5_000 };

/** What `server_busy` asks a client to wait: the queue drains in about this. */
const BUSY_RETRY_MS = 1_000;

interface Pending {
  command: Command;
  since: number;
  /** The same in milliseconds of this process, to measure by. */
  appendedMs: number;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}

/**
 * Group commit: collects what arrives while the last batch of a lane is being written, and writes it as one transaction. No timer:
 * an idle lane writes at once, a busy one in batches as large as the load asks for.
 */
export class Writer {
  readonly #lanes: Lane[];
  readonly #stopSweep: () => void;

  constructor(options: WriterOptions) {
    const limits = { ...DEFAULTS, ...options.limits };
    this.#lanes = Array.from({ length: limits.lanes }, () => new Lane(options, limits));
    this.#stopSweep = options.clock.every(limits.timeoutMs / 4, () => {
      for (const lane of this.#lanes) lane.expire(options.clock.elapsed() - limits.timeoutMs);
    });
  }

  /**
   * Resolves when the command is durable, in the order of the calls for one conversation.
   *
   * @throws ChatError server_busy        the queue is full, or the command waited too long in it: nothing was stored
   * @throws ChatError store_unavailable  outcome unknown; retry with the same mid
   */
  append(command: Command): Promise<Outcome> {
    return this.#lanes[hashOf(command.cid) % this.#lanes.length]!.append(command);
  }

  /** Commands waiting or being written. */
  get depth(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.depth, 0);
  }

  /** Resolves when everything appended so far has its outcome. */
  async drain(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.drain()));
  }

  async close(): Promise<void> {
    await this.drain();
    this.#stopSweep();
  }
}

class Lane {
  #waiting: Pending[] = [];
  #inFlight: Pending[] = [];
  #drained: (() => void)[] = [];
  readonly #options: WriterOptions;
  readonly #limits: WriterLimits;

  constructor(options: WriterOptions, limits: WriterLimits) {
    this.#options = options;
    this.#limits = limits;
  }

  get depth(): number {
    return this.#waiting.length + this.#inFlight.length;
  }

  append(command: Command): Promise<Outcome> {
    if (this.#waiting.length >= this.#limits.queueMax) return Promise.reject(busy());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, since: this.#options.clock.elapsed(), appendedMs: performance.now(), resolve, reject });
      // A microtask later, so that frames read in one go share the first batch.
      if (this.#waiting.length === 1 && this.#inFlight.length === 0) queueMicrotask(() => this.#next());
    });
  }

  drain(): Promise<void> {
    if (this.depth === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Answers callers that wait since before `deadline`. */
  expire(deadline: number): void {
    for (const pending of this.#inFlight) if (pending.since < deadline) pending.reject(new ChatError('store_unavailable'));
    const fresh = this.#waiting.findIndex((pending) => pending.since >= deadline);
    const late = this.#waiting.splice(0, fresh === -1 ? this.#waiting.length : fresh);
    for (const pending of late) pending.reject(busy());
  }

  #next(): void {
    if (this.#inFlight.length > 0) return;
    this.#inFlight = this.#waiting.splice(0, this.#limits.batchMax);
    if (this.#inFlight.length > 0) void this.#write(this.#inFlight);
    else for (const done of this.#drained.splice(0)) done();
  }

  async #write(batch: Pending[]): Promise<void> {
    const started = performance.now();
    let ended: number;
    try {
      const outcomes = await this.#options.store.commit(batch.map((pending) => pending.command));
      ended = performance.now();
      for (const [i, pending] of batch.entries()) pending.resolve(outcomes[i]!);
      if (outcomes.some(isAccepting)) this.#refuseBehind(batch, outcomes);
      this.#publishSafely(batch, outcomes);
    } catch (error) {
      ended = performance.now();
      this.#options.onError?.(error);
      this.#options.onUnknown?.(new Set(batch.map(({ command }) => command.cid)));
      for (const pending of batch)
        pending.reject(error instanceof ChatError ? error : new ChatError('store_unavailable', { cause: error }));
    }
    this.#options.onBatch?.({ size: batch.length, ms: ended - started });
    const { onSent } = this.#options;
    if (onSent !== undefined)
      for (const { command, appendedMs } of batch) if (command.op === 'send') onSent(started - appendedMs, ended - appendedMs);
    this.#inFlight = [];
    this.#next();
  }

  /** Numbers of a conversation come from elsewhere now: those that wait behind a refused command must not overtake it. */
  #refuseBehind(batch: Pending[], outcomes: readonly Outcome[]): void {
    const refused = new Set(batch.filter((_, i) => isAccepting(outcomes[i]!)).map(({ command }) => command.cid));
    const isBehind = ({ command }: Pending) => refused.has(command.cid) && TAKES_NUMBER.has(command.op);
    for (const pending of this.#waiting.filter(isBehind)) pending.resolve({ ok: false, code: 'accepting' });
    this.#waiting = this.#waiting.filter((pending) => !isBehind(pending));
  }

  /** A listener's mistake is no failed commit. */
  #publishSafely(batch: Pending[], outcomes: readonly Outcome[]): void {
    try {
      this.#publish(batch, outcomes);
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  #publish(batch: Pending[], outcomes: readonly Outcome[]): void {
    const entries: CommittedEntry[] = [];
    const receipts: Receipt[] = [];
    const revs: KnownRev[] = [];
    outcomes.forEach((outcome, i) => {
      if (!outcome.ok) return;
      const { command } = batch[i]!;
      if ('advanced' in outcome) {
        if (outcome.advanced && (command.op === 'read' || command.op === 'delivered'))
          receipts.push({ op: outcome.op, cid: command.cid, uid: command.uid, pos: outcome.pos });
      } else if (outcome.op === 'settle') entries.push(...outcome.entries.map(committedEntry));
      // The saver tells what it saved, with what it knows of who was told before.
      else if (outcome.op === 'open' || outcome.op === 'close' || outcome.op === 'save') return;
      else if (outcome.entry !== undefined) entries.push(committedEntry(outcome.entry));
      // Whoever saved it may have died before it was told.
      else if (outcome.op === 'send') revs.push({ cid: command.cid, rev: outcome.rev });
    });
    if (entries.length + receipts.length + revs.length > 0) this.#options.onCommitted({ entries, receipts, revs });
  }
}

const TAKES_NUMBER: ReadonlySet<Command['op']> = new Set(['send', 'add', 'remove', 'settings']);

function isAccepting(outcome: Outcome): boolean {
  return !outcome.ok && outcome.code === 'accepting';
}

function busy(): ChatError {
  return new ChatError('server_busy', { retryAfterMs: BUSY_RETRY_MS });
}
