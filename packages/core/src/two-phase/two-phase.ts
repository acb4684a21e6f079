import { hashOf } from '@gapless/kit';
import { ChatError } from '../errors.ts';
import type { Committed } from '../events.ts';
import { AcceptLogAway } from '../ports/accept-log.ts';
import type { Command, Outcome } from '../ports/store.ts';
import { Acceptance, type AcceptanceDeps, type WaitingSend } from './acceptance.ts';
import { AWAY_RETRY_MS, closeConversation, RETRY_MS } from './conversations.ts';
import { EpochOver, Epochs } from './epochs.ts';
import { answer, busy, Lane, type Waiting, whileAsked } from './lane.ts';
import { UnsavedMessages } from './unsaved.ts';

/** Sends of one conversation in one call: what the others of the tick wait for. */
const BATCH_MAX = 100;

/** Commands that wait in one conversation before `server_busy`. */
const QUEUE_MAX = 2_000;

/** A caller is answered by then, as the Writer does it. */
const DEADLINE_MS = 5_000;

/** Between two looks at who waits for too long. */
const SWEEP_MS = 500;

/** For a position to be saved that lies in what is accepted; then it is where the store is. */
const POSITION_MS = 4_000;

export type TwoPhaseDeps = Omit<AcceptanceDeps, 'unsaved' | 'epochs'>;

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
  readonly #deps: AcceptanceDeps;
  readonly #acceptance: Acceptance;
  readonly #lanes = new Map<string, Lane>();
  readonly #stopSweep: () => void;
  /** Commands on their way to the store outside of lanes, by cid. */
  readonly #direct = new Map<string, Direct>();
  /** All that went to the store while there was no epoch. */
  #off: Direct | undefined;

  constructor(deps: TwoPhaseDeps) {
    const { unsaved } = this;
    this.epochs = new Epochs({ ...deps, unsaved });
    this.#deps = { ...deps, unsaved, epochs: this.epochs };
    this.#acceptance = new Acceptance(this.#deps);
    this.#stopSweep = deps.clock.every(SWEEP_MS, () => this.#sweep());
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
    const found = await store.firstOutcomes(cid, mids).catch(() => undefined);
    for (const [i, { end }] of taken.entries()) {
      const first = found?.[i];
      // Counted where somebody waits, which is on one node.
      if (end(first ?? new ChatError('store_unavailable')) && found !== undefined && first === undefined) metrics.lost(1);
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
    const since = this.#deps.clock.elapsed();
    const off = (this.#off ??= { count: 0, done: Promise.withResolvers() });
    off.count++;
    const end = () => {
      if (--off.count > 0) return;
      this.#off = undefined;
      off.done.resolve();
    };
    return this.#deps.writer.append(command).then(
      (outcome) => {
        const put = isAccepting(outcome) ? this.#lane(command.cid).add(command, { inFrontSince: since }) : outcome;
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
    const since = this.#deps.clock.elapsed();
    const direct = this.#direct.get(cid) ?? { count: 0, done: Promise.withResolvers<void>() };
    this.#direct.set(cid, direct);
    direct.count++;
    try {
      const outcome = await this.#deps.writer.append(command);
      return isAccepting(outcome) ? this.#lane(cid).add(command, { inFrontSince: since }) : outcome;
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
      if (epoch !== undefined && this.#isChosen(cid) && batch[0]!.command.op === 'send')
        await this.#acceptance.accept(epoch, cid, sendsOf(batch));
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
    const outcomes = await whileAsked(batch, () => Promise.allSettled(batch.map(({ command }) => writer.append(command))));
    let refused = false;
    for (const [i, settled] of outcomes.entries()) {
      if (settled.status === 'rejected') batch[i]!.reject(settled.reason);
      else if (isAccepting(settled.value)) refused = true;
      else answer(batch[i]!, settled.value);
    }
    if (refused) await closeConversation(this.#deps, cid, { forChange: batch.find(({ done }) => !done)!.command.op !== 'send' });
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
    await this.unsaved.heard(command.cid, tail.rev - (tail.head - pos), { clock, ms: POSITION_MS });
    return writer.append(command);
  }
}

type Numbered = Command & { op: 'send' | 'add' | 'remove' | 'settings' };

/** Whether the command takes a number of a conversation that is there. */
function isNumbered(command: Command): command is Numbered {
  return command.op === 'send' || command.op === 'add' || command.op === 'remove' || command.op === 'settings';
}

function isAccepting(outcome: Outcome): boolean {
  return !outcome.ok && outcome.code === 'accepting';
}

/** The sends at the beginning: a change behind them takes the other road. */
function sendsOf(batch: readonly Waiting[]): WaitingSend[] {
  const end = batch.findIndex(({ command }) => command.op !== 'send');
  return (end === -1 ? batch : batch.slice(0, end)) as WaitingSend[];
}
