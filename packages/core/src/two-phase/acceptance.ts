import { isUlid } from '@gapless/kit';
import type { Committed, CommittedEntry } from '../events.ts';
import type { Accepted, AcceptOutcome, FirstOutcome } from '../ports/accept-log.ts';
import type { Numbers, Outcome, SendCommand } from '../ports/store.ts';
import { type ConversationDeps, closeConversation, openConversation, RETRY_MS } from './conversations.ts';
import { answer, busy, type Waiting, whileAsked } from './lane.ts';
import { savedEntry, toldEntry, withoutRights } from './record.ts';

/** Before a conversation that is as far ahead of the store as it may be is tried again without a word of a save. */
const FULL_RETRY_MS = 100;

/** A send that meets a held conversation after so long gives it back itself: whoever held it may be gone. */
const HELD_MS = 2_000;

export interface AcceptanceDeps extends ConversationDeps {
  /** What was accepted and is told before it is saved. */
  readonly onTold: (committed: Committed) => void;
}

export type WaitingSend = Waiting & { command: SendCommand };

/** Sends of one conversation to the accept log: they are accepted, found accepted or saved before, or refused. */
export class Acceptance {
  readonly #deps: AcceptanceDeps;

  constructor(deps: AcceptanceDeps) {
    this.#deps = deps;
  }

  /**
   * Answers the first ones of the batch, at least one, or does something about what is in their way: those it leaves are tried again, in order.
   *
   * @throws AcceptLogAway
   * @throws EpochOver
   */
  async accept(epoch: number, cid: string, batch: readonly WaitingSend[]): Promise<void> {
    const doubted = batch.filter(({ command }) => !isUlid(command.mid));
    const { asked, outcomes } = await this.#ask(epoch, cid, batch, doubted);
    const first = asked.findIndex(({ done }) => !done);
    if (first === -1) return;
    const left = asked.filter(({ done }) => !done);
    await this.#retry(epoch, cid, left, outcomes[first]!);
  }

  /** The log is asked for those of the batch that need it: the doubted ones are looked up in the store before, and may have their answer there. */
  async #ask(epoch: number, cid: string, batch: readonly WaitingSend[], doubted: readonly WaitingSend[]) {
    const { accept, node, epochs } = this.#deps;
    const looked = await this.#lookUp(cid, doubted).catch((error: unknown) => {
      // Nor those behind them: a sender's next message must not pass.
      for (const waiting of batch.slice(batch.indexOf(doubted[0]!))) waiting.reject(error);
      return new Set<string>();
    });
    const asked = batch.filter(({ done }) => !done);
    if (asked.length === 0) return { asked, outcomes: [] };
    const requests = asked.map(({ command }) => ({ node, send: command, looked: looked.has(command.mid) }));
    const outcomes = await epochs.call(epoch, async () => {
      const answers = await whileAsked(asked, () => accept.accept(epoch, requests));
      this.#take(epoch, asked, answers);
      return answers;
    });
    return { asked, outcomes };
  }

  #take(epoch: number, batch: readonly WaitingSend[], outcomes: readonly AcceptOutcome[]): void {
    const { metrics, rules, clock, node, unsaved, onTold } = this.#deps;
    const entries: CommittedEntry[] = [];
    let count = 0;
    for (const [i, outcome] of outcomes.entries()) {
      const { command, doubtful, resolve, reject } = batch[i]!;
      if (outcome.ok) {
        const { seq, rev, at, dup } = outcome;
        const own = { ok: true, op: 'send', seq, rev, at, dup } as const;
        const accepted: Accepted = { epoch, seq, rev, node, send: { ...withoutRights(command), at } };
        // The notice of a save may have been here before the log knew of it: what was said to be saved stays so.
        const isSaved = outcome.saved || (dup && unsaved.isSaved(accepted));
        resolve(isSaved ? own : { ...own, saved: unsaved.wait(accepted, clock.elapsed()) });
        if (!dup) count++;
        // What an earlier call did of which nobody heard, nobody was told of either.
        if (isSaved && doubtful) entries.push(savedEntry(accepted));
        else if (!isSaved && (!dup || doubtful) && rules.deliverBeforeSaved) entries.push(toldEntry(accepted));
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
    const { clock, metrics, epochs, unsaved } = this.#deps;
    metrics.refused(outcome.code);
    switch (outcome.code) {
      case 'closed': {
        const opened = await openConversation(this.#deps, epoch, cid);
        if (opened === 'over') epochs.refused();
        if (opened !== 'open') await epochs.change(RETRY_MS);
        return;
      }
      case 'unsure':
        return void (await this.#ask(epoch, cid, left, left));
      case 'stale':
        return this.#lookAtRights(cid, left);
      case 'over':
        epochs.refused();
        return epochs.change(RETRY_MS);
      case 'held':
        // Or not: then it has its moment for the change all the same.
        if (clock.elapsed() - left[0]!.since > HELD_MS) return closeConversation(this.#deps, cid, { forChange: true });
        return clock.sleep(RETRY_MS);
      case 'full':
        // The next save makes room. While the store is away there is none.
        return void (await unsaved.heard(cid, 0, { clock, ms: FULL_RETRY_MS }));
      default:
        return clock.sleep(RETRY_MS);
    }
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

  /** Answers those that the store has; resolves to the mids that it has not. */
  async #lookUp(cid: string, sends: readonly WaitingSend[]): Promise<ReadonlySet<string>> {
    if (sends.length === 0) return new Set();
    const mids = sends.map(({ command }) => command.mid);
    const found = await this.#deps.store.firstOutcomes(cid, mids);
    for (const [i, first] of found.entries()) if (first !== undefined) sends[i]!.resolve(outcomeOf(sends[i]!.command, first));
    return new Set(mids.filter((_, i) => found[i] === undefined));
  }
}

function outcomeOf({ from, digest }: SendCommand, first: FirstOutcome): Outcome {
  if (first.from !== from || first.digest !== digest) return { ok: false, code: 'mid_conflict' };
  const { seq, rev, at }: Numbers = first;
  return { ok: true, op: 'send', seq, rev, at, dup: true };
}
