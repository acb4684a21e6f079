import { hashOf, isUlid } from '@gapless/kit';
import { ChatError } from '../errors.ts';
import type { Committed, CommittedEntry } from '../events.ts';
import { type Accepted, AcceptLogAway, type AcceptOutcome, type FirstOutcome } from '../ports/accept-log.ts';
import type { Command, Numbers, Outcome, SendCommand } from '../ports/store.ts';
import { closeConversation, openConversation } from './conversations.ts';
import { type EpochDeps, EpochOver, Epochs } from './epochs.ts';
import { Lane, type Waiting } from './lane.ts';
import { savedEntry, toldEntry, withoutRights } from './record.ts';
import { UnsavedMessages } from './unsaved.ts';

/** Sends of one conversation in one call: what the others of the tick wait for. */
const BATCH_MAX = 100;

/** Commands that wait in one conversation before `server_busy`. */
const QUEUE_MAX = 2_000;

/** A caller is answered by then, as the Writer does it. */
const DEADLINE_MS = 5_000;

/** Between two looks at who waits for too long. */
const SWEEP_MS = 500;

/** Before it is tried again what another node, or the epoch, is in the way of. */
const RETRY_MS = 10;

/** The same while the accept log is away, or an epoch ends: the end of that is heard of. */
const AWAY_RETRY_MS = 200;

/** Before a conversation that is as far ahead of the store as it may be is tried again without a word of a save. */
const FULL_RETRY_MS = 100;

/** What `server_busy` asks a client to wait. */
const BUSY_RETRY_MS = 1_000;

/** A conversation that is held for longer was left by whoever held it. */
const HELD_MS = 2_000;

/** For a position to be saved that lies in what is accepted; then it is where the store is. */
const POSITION_MS = 4_000;

export interface TwoPhaseDeps extends Omit<EpochDeps, 'unsaved'> {
  /** What was accepted and is told before it is saved. */
  readonly onTold: (committed: Committed) => void;
}

interface Direct {
  count: number;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * The road of every command, in place of the Writer: sends of chosen conversations to the accept log, all else to the store. Which of them has
 * a conversation is told by the outcome; then it goes the other road. Commands of one conversation keep their order meanwhile.
 */
export class TwoPhase {
  readonly epochs: Epochs;
  readonly unsaved = new UnsavedMessages();
  readonly #deps: TwoPhaseDeps;
  readonly #lanes = new Map<string, Lane>();
  readonly #stopSweep: () => void;
  /** Commands on their way to the store outside of lanes, by cid. */
  readonly #direct = new Map<string, Direct>();
  /** All that went to the store while there was no epoch. */
  #off: Direct | undefined;

  constructor(deps: TwoPhaseDeps) {
    this.#deps = deps;
    this.#stopSweep = deps.clock.every(SWEEP_MS, () => this.#sweep());
    this.epochs = new Epochs({ ...deps, unsaved: this.unsaved });
  }

  /** As Writer.append. A send that is accepted has `saved` in its outcome. */
  append(command: Command): Promise<Outcome> {
    const { cid } = command;
    if (command.op === 'read' || command.op === 'delivered') return this.#position(command);
    if (!isNumbered(command)) return this.#deps.writer.append(command);
    if (this.epochs.epoch === undefined && this.#lanes.size === 0) return this.#whileOff(command);
    const isChosen = command.op === 'send' && this.#isChosen(cid);
    const lane = this.#lanes.get(cid) ?? (isChosen ? this.#lane(cid) : undefined);
    if (lane === undefined) return this.#straight(command);
    return lane.isFull ? Promise.reject(busy()) : lane.add(command);
  }

  /** What this node or another one tells: of what is saved, and of what was lost. */
  heard({ entries, saved = [] }: Committed): void {
    for (const entry of entries)
      if (entry.op === 'change' && entry.detail.op === 'lost') void this.#lost(entry.cid, new Set(entry.detail.seqs));
    for (const known of saved) this.unsaved.saved(known);
  }

  /** These numbers are void. A message of this node that had one may be in the store under another. */
  async #lost(cid: string, seqs: ReadonlySet<number>): Promise<void> {
    const { store, metrics } = this.#deps;
    const taken = this.unsaved.take(cid, seqs);
    if (taken.length === 0) return;
    const mids = taken.map(({ accepted }) => accepted.send.mid);
    const found = await store.firstOutcomes(cid, mids).catch(() => []);
    for (const [i, { end }] of taken.entries()) {
      if (found[i] === undefined) metrics.lost(1);
      end(found[i] ?? new ChatError('store_unavailable'));
    }
  }

  /** Accepts nothing more; resolves when what it accepted is saved, or handed over, and nobody waits here. */
  async close(): Promise<void> {
    await this.epochs.close();
    this.#stopSweep();
    for (const lane of this.#lanes.values()) lane.expire(Number.POSITIVE_INFINITY);
  }

  /** Whatever it waits for: a caller is answered in time. */
  #sweep(): void {
    for (const lane of this.#lanes.values()) lane.expire(this.#deps.clock.elapsed() - DEADLINE_MS);
  }

  #isChosen(cid: string): boolean {
    const { enabled, percent } = this.#deps.rules;
    return enabled && this.epochs.accepting !== undefined && (percent >= 100 || hashOf(cid) % 100 < percent);
  }

  /** Nothing is kept of it on the way but that there is one: an epoch may begin meanwhile, and what comes then must not pass it. */
  #whileOff(command: Numbered): Promise<Outcome> {
    const off = (this.#off ??= { count: 0, done: Promise.withResolvers() });
    off.count++;
    const end = () => {
      if (--off.count > 0) return;
      this.#off = undefined;
      off.done.resolve();
    };
    return this.#deps.writer.append(command).then(
      (outcome) => {
        const put = isAccepting(outcome) ? this.#lane(command.cid).add(command, { first: true }) : outcome;
        end();
        return put;
      },
      (error: unknown) => {
        end();
        throw error;
      },
    );
  }

  /** To the store; where that says that the accept log has the conversation, in line with the others that were told so. */
  async #straight(command: Numbered): Promise<Outcome> {
    const { cid } = command;
    const direct = this.#direct.get(cid) ?? { count: 0, done: Promise.withResolvers<void>() };
    this.#direct.set(cid, direct);
    direct.count++;
    try {
      const outcome = await this.#deps.writer.append(command);
      return isAccepting(outcome) ? this.#lane(cid).add(command, { first: true }) : outcome;
    } finally {
      if (--direct.count === 0) {
        this.#direct.delete(cid);
        direct.done.resolve();
      }
    }
  }

  #lane(cid: string): Lane {
    let lane = this.#lanes.get(cid);
    if (lane === undefined) {
      lane = new Lane({
        batchMax: BATCH_MAX,
        queueMax: QUEUE_MAX,
        work: (batch) => this.#work(cid, batch),
        now: () => this.#deps.clock.elapsed(),
        done: () => this.#lanes.delete(cid),
      });
      this.#lanes.set(cid, lane);
    }
    return lane;
  }

  /** Settles the first ones of the batch, at least one; what it leaves is tried again, in order. */
  async #work(cid: string, batch: readonly Waiting[]): Promise<void> {
    const direct = this.#direct.get(cid);
    // They came before; where the store refuses them they are put in front.
    if (direct !== undefined) return direct.done.promise;
    if (this.#off !== undefined) return this.#off.done.promise;
    const epoch = this.epochs.accepting;
    try {
      if (epoch !== undefined && this.#isChosen(cid) && batch[0]!.command.op === 'send') await this.#accept(epoch, cid, sendsOf(batch));
      else await this.#store(cid, batch);
    } catch (error) {
      if (error instanceof AcceptLogAway) await this.#away(batch);
      else if (error instanceof EpochOver) await this.epochs.change(RETRY_MS);
      else for (const waiting of batch) waiting.reject(error);
    }
  }

  /** The outcome of a call is not known: those of it that are in the log are found by their mids at the next try. */
  async #away(batch: readonly Waiting[]): Promise<void> {
    for (const waiting of batch) {
      waiting.doubtful = true;
      if (!this.#deps.rules.failOpen) waiting.reject(new ChatError('store_unavailable'));
    }
    // Until the log is there again, or was given up.
    await this.epochs.change(AWAY_RETRY_MS);
  }

  async #store(cid: string, batch: readonly Waiting[]): Promise<void> {
    const { writer } = this.#deps;
    const outcomes = await asked(batch, () => Promise.allSettled(batch.map(({ command }) => writer.append(command))));
    let refused = false;
    for (const [i, settled] of outcomes.entries()) {
      if (settled.status === 'rejected') batch[i]!.reject(settled.reason);
      else if (isAccepting(settled.value)) refused = true;
      else answer(batch[i]!, settled.value);
    }
    if (refused) await this.#close(cid, batch.find(({ done }) => !done)!.command.op !== 'send');
  }

  async #close(cid: string, forChange: boolean): Promise<void> {
    // An epoch that is ending is on its way to the store: soon it has the conversation.
    if (this.epochs.epoch === undefined) {
      this.epochs.look();
      return this.epochs.change(AWAY_RETRY_MS);
    }
    await closeConversation(this.#context, cid, { forChange });
  }

  get #context() {
    return { ...this.#deps, unsaved: this.unsaved, epochs: this.epochs };
  }

  async #accept(epoch: number, cid: string, batch: readonly WaitingSend[]): Promise<void> {
    const { accept, node } = this.#deps;
    const looked = await this.#lookUp(
      cid,
      batch.filter(({ command }) => !isUlid(command.mid)),
    );
    const left = batch.filter(({ done }) => !done);
    if (left.length === 0) return;
    const requests = left.map(({ command }) => ({ node, send: command, looked: looked.has(command.mid) }));
    const outcomes = await this.epochs.call(epoch, async () => {
      const answer = await asked(left, () => accept.accept(epoch, requests));
      this.#take(epoch, left, answer);
      return answer;
    });
    const first = left.findIndex(({ done }) => !done);
    if (first !== -1)
      await this.#retry(
        epoch,
        cid,
        left.filter(({ done }) => !done),
        outcomes[first]!,
      );
  }

  #take(epoch: number, batch: readonly WaitingSend[], outcomes: readonly AcceptOutcome[]): void {
    const { metrics, rules, clock, node, onTold } = this.#deps;
    const entries: CommittedEntry[] = [];
    let count = 0;
    for (const [i, outcome] of outcomes.entries()) {
      const { command, doubtful, resolve, reject } = batch[i]!;
      if (outcome.ok) {
        const { seq, rev, at, dup } = outcome;
        const own = { ok: true, op: 'send', seq, rev, at, dup } as const;
        const accepted: Accepted = { epoch, seq, rev, node, send: { ...withoutRights(command), at } };
        resolve(outcome.saved ? own : { ...own, saved: this.unsaved.wait(accepted, clock.elapsed()) });
        if (!dup) count++;
        // What an earlier call did of which nobody heard, nobody was told of either.
        if (outcome.saved && doubtful) entries.push(savedEntry(accepted));
        else if (!outcome.saved && (!dup || doubtful) && rules.deliverBeforeSaved) entries.push(toldEntry(accepted));
      } else if (outcome.code === 'mid_conflict' || outcome.code === 'bad_frame') {
        const { code, say } = outcome;
        resolve({ ok: false, code, ...(say === undefined ? {} : { say }) });
      } else if (outcome.code === 'busy') {
        metrics.refused(outcome.code);
        reject(busy());
      }
    }
    if (count > 0) metrics.accepted(count);
    if (entries.length > 0) onTold({ entries, receipts: [], revs: [] });
  }

  /** What the first one was refused for is put right, so that all may be tried again. */
  async #retry(epoch: number, cid: string, left: readonly WaitingSend[], outcome: AcceptOutcome): Promise<void> {
    if (outcome.ok) return;
    const { clock, metrics } = this.#deps;
    metrics.refused(outcome.code);
    switch (outcome.code) {
      case 'closed': {
        const opened = await openConversation(this.#context, epoch, cid);
        if (opened === 'over') this.epochs.refused();
        if (opened !== 'open') await this.epochs.change(RETRY_MS);
        return;
      }
      case 'unsure':
        return this.#acceptUnsure(epoch, cid, left);
      case 'stale':
        return this.#lookAtRights(cid, left);
      case 'over':
        this.epochs.refused();
        return this.epochs.change(RETRY_MS);
      case 'held':
        // Whoever held it may be gone: then we close it.
        if (clock.elapsed() - left[0]!.since > HELD_MS) return this.#close(cid, false);
        return clock.sleep(RETRY_MS);
      case 'full':
        // The next save makes room. While the store is away there is none.
        return this.#untilSaved(cid, FULL_RETRY_MS);
      default:
        return clock.sleep(RETRY_MS);
    }
  }

  /** Resolves when something more of the conversation is saved, or after that time. */
  async #untilSaved(cid: string, ms: number): Promise<void> {
    const heard = new AbortController();
    const stop = this.unsaved.watch(cid, 0, () => heard.abort());
    await this.#deps.clock.sleep(ms, heard.signal);
    stop();
  }

  /** The participants changed since they were looked at. Who still takes part goes on in place; the others are told. */
  async #lookAtRights(cid: string, left: readonly WaitingSend[]): Promise<void> {
    const { store } = this.#deps;
    // The rev first: the participants are never older than it.
    const record = await store.conversation(cid);
    for (const [from, own] of Map.groupBy(left, ({ command }) => command.from)) {
      const [head] = record === undefined ? [] : await store.heads(from, [cid]);
      for (const waiting of own) {
        if (head === undefined || record === undefined) answer(waiting, { ok: false, code: 'stale' });
        else waiting.command = { ...waiting.command, membersRev: record.membersRev };
      }
    }
  }

  async #acceptUnsure(epoch: number, cid: string, left: readonly WaitingSend[]): Promise<void> {
    const { accept, node } = this.#deps;
    const looked = await this.#lookUp(cid, left);
    const fresh = left.filter(({ done }) => !done);
    if (fresh.length === 0) return;
    const requests = fresh.map(({ command }) => ({ node, send: command, looked: looked.has(command.mid) }));
    await this.epochs.call(epoch, async () => this.#take(epoch, fresh, await asked(fresh, () => accept.accept(epoch, requests))));
  }

  /** Answers those that the store has, and those that it cannot tell of; resolves to the mids that it has not. */
  async #lookUp(cid: string, sends: readonly WaitingSend[]): Promise<ReadonlySet<string>> {
    if (sends.length === 0) return new Set();
    const mids = sends.map(({ command }) => command.mid);
    const found = await this.#deps.store.firstOutcomes(cid, mids).catch((error: unknown) => {
      for (const waiting of sends) waiting.reject(error);
    });
    if (found === undefined) return new Set();
    for (const [i, first] of found.entries()) if (first !== undefined) sends[i]!.resolve(outcomeOf(sends[i]!.command, first));
    return new Set(mids.filter((_, i) => found[i] === undefined));
  }

  /** A position beyond what is saved waits for that: the store knows no further. */
  async #position(command: Command & { op: 'read' | 'delivered' }): Promise<Outcome> {
    const { writer, accept, clock } = this.#deps;
    const outcome = await writer.append(command);
    const epoch = this.epochs.epoch;
    if (epoch === undefined || !outcome.ok || !('advanced' in outcome) || outcome.pos >= command.pos) return outcome;
    const [tail] = await accept.tails(epoch, [command.cid]).catch(() => []);
    const pos = Math.min(command.pos, tail?.head ?? 0);
    if (tail === undefined || pos <= outcome.pos) return outcome;
    const heard = new AbortController();
    const stop = this.unsaved.watch(command.cid, tail.rev - (tail.head - pos), () => heard.abort());
    await clock.sleep(POSITION_MS, heard.signal);
    stop();
    return writer.append(command);
  }
}

type Numbered = Command & { op: 'send' | 'add' | 'remove' | 'settings' };
type WaitingSend = Waiting & { command: SendCommand };

/** Whether the command takes a number of a conversation that is there. */
function isNumbered(command: Command): command is Numbered {
  return command.op === 'send' || command.op === 'add' || command.op === 'remove' || command.op === 'settings';
}

/** Who lost the right to a message that may have been accepted before is not told that it was refused. */
function answer(waiting: Waiting, outcome: Outcome): void {
  if (waiting.doubtful && !outcome.ok && outcome.code === 'stale') waiting.reject(new ChatError('store_unavailable'));
  else waiting.resolve(outcome);
}

function isAccepting(outcome: Outcome): boolean {
  return !outcome.ok && outcome.code === 'accepting';
}

/** Marks them while their outcome may be on its way. */
async function asked<T>(batch: readonly Waiting[], ask: () => Promise<T>): Promise<T> {
  for (const waiting of batch) waiting.asked = true;
  try {
    return await ask();
  } finally {
    for (const waiting of batch) waiting.asked = false;
  }
}

/** The sends at the beginning: a change behind them takes the other road. */
function sendsOf(batch: readonly Waiting[]): WaitingSend[] {
  const end = batch.findIndex(({ command }) => command.op !== 'send');
  return (end === -1 ? batch : batch.slice(0, end)) as WaitingSend[];
}

function outcomeOf({ from, digest }: SendCommand, first: FirstOutcome): Outcome {
  if (first.from !== from || first.digest !== digest) return { ok: false, code: 'mid_conflict' };
  const { seq, rev, at }: Numbers = first;
  return { ok: true, op: 'send', seq, rev, at, dup: true };
}

function busy(): ChatError {
  return new ChatError('server_busy', { retryAfterMs: BUSY_RETRY_MS });
}
