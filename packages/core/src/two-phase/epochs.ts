import type { Clock } from '@gapless/kit';
import { ChatError } from '../errors.ts';
import { type AcceptLog, AcceptLogAway } from '../ports/accept-log.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';
import type { Writer } from '../writer.ts';
import type { TwoPhaseMetrics } from './metrics.ts';
import { appendLeftovers, settle } from './settlement.ts';
import type { UnsavedMessages } from './unsaved.ts';

/** Between two looks at the state in the store; quicker while something is going on. */
const TURN_MS = 1_000;
const BUSY_TURN_MS = 100;

/** A node that was not seen for so long is taken for gone. Five turns: a slow store is no death. */
const LEASE_MS = 5_000;

/** An accept log that is away for so long is given up, where sends are to go on without it. */
const AWAY_MS = 1_000;

/** A process that stood still for so long may have been given up by the others: it asks before it accepts again. */
const PAUSED_MS = 3_000;
const PULSE_MS = 500;

/** What is unsaved for so long is asked for: the notice may be lost. */
const OVERDUE_MS = 2_000;

/** After an epoch was given up, before the next one begins; doubled each time, as long as none lives for a minute. */
const REST_MS = 2_000;
const REST_MAX_MS = 300_000;
const HEALTHY_MS = 60_000;

/** Not chosen any more for so long, and the epoch ends: every conversation goes back to the store. */
const UNUSED_MS = 2_000;

/** After `deliver-before-saved` was switched off: longer than a message is unsaved, but for an outage. */
const SHOWN_MS = 60_000;

/** At the end of a node, for what it accepted to be saved by somebody. */
const FAREWELL_MS = 5_000;

/** Longer than settling takes between two signs of life. */
const LEADER_MS = 10_000;
const LEADER = 'accept-leader';

/** Read at every decision. */
export interface TwoPhaseRules {
  readonly enabled: boolean;
  /** Of conversations, 0 to 100. */
  readonly percent: number;
  readonly deliverBeforeSaved: boolean;
  /** Without the accept log the store takes the sends; else they are refused until it is back. */
  readonly failOpen: boolean;
}

export interface EpochDeps {
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly accept: AcceptLog;
  readonly writer: Pick<Writer, 'append'>;
  readonly unsaved: UnsavedMessages;
  readonly rules: TwoPhaseRules;
  readonly metrics: TwoPhaseMetrics;
}

/**
 * Which epoch of the accept log is on, as far as this node knows; and this node's part in beginning and ending them. The store decides: its
 * state moves by compare-and-set, so that all nodes may try at once.
 */
export class Epochs {
  readonly #deps: EpochDeps;
  #accepting: number | undefined;
  #current: number | undefined;
  #shownAt = Number.NEGATIVE_INFINITY;
  #seen = '';
  #liveNodes = 1;
  /** Newest epoch that this node is registered in. */
  #registered = 0;
  #handedIn = 0;
  #calls = 0;
  #busy = true;
  #closing = false;
  #stopped = false;
  #awaySince: number | undefined;
  #unusedSince: number | undefined;
  #beganAt = 0;
  #restMs = REST_MS;
  #restUntil = 0;
  #pulse: number;
  /** When each node was found to be gone first. */
  readonly #gone = new Map<string, number>();
  #wake = new AbortController();
  #changed = Promise.withResolvers<void>();
  readonly #stops: (() => void)[];
  readonly #running: Promise<void>;

  constructor(deps: EpochDeps) {
    this.#deps = deps;
    this.#pulse = deps.clock.now();
    this.#stops = [deps.clock.every(PULSE_MS, () => this.#beat()), deps.accept.watch(() => this.look())];
    this.#running = this.#run();
  }

  /** The epoch in which this node may accept now. */
  get accepting(): number | undefined {
    const { clock } = this.#deps;
    return clock.now() - this.#pulse > PAUSED_MS ? undefined : this.#accepting;
  }

  /** The epoch that is on, whether this node may accept or not: what is in it is read and saved. */
  get epoch(): number | undefined {
    return this.#current;
  }

  /** The epoch of which unsaved messages are shown to readers. */
  get shows(): number | undefined {
    const { rules, clock } = this.#deps;
    if (rules.deliverBeforeSaved) this.#shownAt = clock.now();
    // What was shown a moment ago must not be gone for who asks again.
    return clock.now() - this.#shownAt < SHOWN_MS ? this.#current : undefined;
  }

  /** Nodes that accept in this epoch, this one included, as they were at the last look. */
  get liveNodes(): number {
    return this.#liveNodes;
  }

  /** Looks at once how things are: what was tried says that they changed. */
  look(): void {
    this.#busy = true;
    this.#wake.abort();
  }

  /** Resolves when the state changed, or after that time. */
  async change(ms: number): Promise<void> {
    const done = new AbortController();
    await Promise.race([this.#changed.promise, this.#deps.clock.sleep(ms, done.signal)]);
    done.abort();
  }

  /** Runs a call to the accept log: the epoch is not handed in while one is under way. */
  async call<T>(task: () => Promise<T>): Promise<T> {
    this.#calls++;
    try {
      return await task();
    } catch (error) {
      if (error instanceof AcceptLogAway) this.look();
      throw error;
    } finally {
      this.#calls--;
    }
  }

  /** Accepts nothing more, and waits for what was accepted to be saved; what is not by then is left to the others. */
  async close(): Promise<void> {
    if (this.#closing) return this.#running;
    this.#closing = true;
    this.#set(undefined);
    const { clock, unsaved, store, node, log } = this.#deps;
    const epoch = this.#registered;
    const until = clock.now() + FAREWELL_MS;
    while (unsaved.size > 0 && clock.now() < until) await clock.sleep(BUSY_TURN_MS);
    try {
      if (unsaved.size > 0) await this.#handIn(epoch);
      else if (epoch > 0) await store.forgetAcceptNode(node, epoch);
    } catch (error) {
      log.warn({ err: error }, 'the others were not told that this node leaves the accept log');
    }
    this.#stopped = true;
    this.#wake.abort();
    for (const stop of this.#stops) stop();
    await this.#running;
  }

  #beat(): void {
    const now = this.#deps.clock.now();
    if (now - this.#pulse > PAUSED_MS) {
      this.#set(undefined);
      this.look();
    }
    this.#pulse = now;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    while (!this.#stopped) {
      this.#busy = false;
      try {
        await this.#turn();
      } catch (error) {
        // The store is away: what is open goes on.
        if (!(error instanceof ChatError) && !(error instanceof AcceptLogAway)) log.error({ err: error }, 'accept log: turn failed');
      }
      this.#wake = new AbortController();
      await clock.sleep(this.#busy ? BUSY_TURN_MS : TURN_MS, this.#wake.signal);
    }
  }

  async #turn(): Promise<void> {
    const { store, metrics, unsaved } = this.#deps;
    const { epoch, state } = await store.acceptState();
    metrics.unsaved(unsaved.size);
    if (this.#seen !== `${epoch} ${state}`) this.#tellChange();
    this.#seen = `${epoch} ${state}`;
    if (state === 'open') return this.#open(epoch);
    this.#current = undefined;
    this.#set(undefined);
    this.#busy = state === 'settling' || unsaved.size > 0 || this.#wanted;
    if (state === 'settling') return this.#settle(epoch);
    metrics.epoch(epoch, 'off');
    await this.#verify(epoch);
    if (this.#wanted && !this.#closing) await this.#begin(epoch);
  }

  get #wanted(): boolean {
    const { enabled, percent } = this.#deps.rules;
    return enabled && percent > 0;
  }

  #set(epoch: number | undefined): void {
    if (this.#accepting === epoch) return;
    this.#accepting = epoch;
    this.#tellChange();
  }

  #tellChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async #open(epoch: number): Promise<void> {
    const { store, accept, node, log, metrics, clock } = this.#deps;
    if (this.#current !== epoch) {
      this.#current = undefined;
      this.#set(undefined);
    }
    if (this.#handedIn === epoch) return;
    await this.#verify(epoch - 1);
    await store.seenAccepting({ node, epoch, handedIn: false, leaseMs: LEASE_MS });
    this.#registered = epoch;
    const current = await accept.epoch().catch((error: unknown) => {
      if (error instanceof AcceptLogAway) return 'away' as const;
      throw error;
    });
    if (current === 'away') return this.#away(epoch);
    this.#awaySince = undefined;
    if (current !== epoch) {
      log.warn({ epoch, current }, 'the accept log is not what it was: its epoch ends');
      return this.#end(epoch);
    }
    if (this.#current !== epoch) this.#beganAt = clock.now();
    this.#current = epoch;
    if (!this.#closing) this.#set(epoch);
    metrics.epoch(epoch, 'open');
    if (this.#isUnused()) {
      log.info({ epoch }, 'no conversation is chosen for the accept log any more: its epoch ends');
      return this.#end(epoch);
    }
    await this.#sweep(epoch);
    await this.#forgetGone(epoch);
  }

  #isUnused(): boolean {
    const { clock } = this.#deps;
    if (this.#wanted) this.#unusedSince = undefined;
    else this.#unusedSince ??= clock.now();
    return this.#unusedSince !== undefined && clock.now() - this.#unusedSince >= UNUSED_MS;
  }

  async #away(epoch: number): Promise<void> {
    const { clock, rules, log } = this.#deps;
    this.#busy = true;
    this.#awaySince ??= clock.now();
    if (!rules.failOpen || clock.now() - this.#awaySince < AWAY_MS) return;
    log.warn({ epoch }, 'the accept log is away: its epoch ends, the store takes the sends');
    await this.#end(epoch);
  }

  async #end(epoch: number): Promise<void> {
    this.#current = undefined;
    this.#set(undefined);
    this.look();
    await this.#deps.store.moveAcceptState({ epoch, state: 'open' }, { epoch, state: 'settling' });
  }

  async #settle(epoch: number): Promise<void> {
    const { store, node, clock, metrics } = this.#deps;
    metrics.epoch(epoch, 'over');
    await this.#handIn(epoch);
    if (!(await store.acquireLease(LEADER, node, LEADER_MS))) return;
    const settled = await settle(this.#deps, epoch, () => store.acquireLease(LEADER, node, LEADER_MS));
    if (!settled) return;
    await store.moveAcceptState({ epoch, state: 'settling' }, { epoch, state: 'closed' });
    this.#restMs = clock.now() - this.#beganAt > HEALTHY_MS ? REST_MS : Math.min(this.#restMs * 2, REST_MAX_MS);
    this.#restUntil = clock.now() + this.#restMs;
  }

  /** What this node accepted, for whoever settles the epoch. */
  async #handIn(epoch: number): Promise<void> {
    const { store, node, unsaved, clock } = this.#deps;
    if (this.#handedIn === epoch) return;
    this.#set(undefined);
    // Their numbers belong to it.
    while (this.#calls > 0) await clock.sleep(1);
    await store.rescue(unsaved.all().filter((accepted) => accepted.epoch === epoch));
    await store.seenAccepting({ node, epoch, handedIn: true, leaseMs: LEASE_MS });
    this.#handedIn = epoch;
  }

  async #begin(epoch: number): Promise<void> {
    const { store, accept, node, clock, log } = this.#deps;
    if (clock.now() < this.#restUntil || !(await store.acquireLease(LEADER, node, LEADER_MS))) return;
    const next = epoch + 1;
    if ((await accept.epoch()) !== next) await accept.begin(next);
    await appendLeftovers(this.#deps, next, () => store.acquireLease(LEADER, node, LEADER_MS));
    if (await store.moveAcceptState({ epoch, state: 'closed' }, { epoch: next, state: 'open' }))
      log.info({ epoch: next }, 'an epoch of the accept log begins');
    this.look();
  }

  /** Messages of epochs up to that one, which is over: each is in the store by now, or lost. */
  async #verify(epoch: number): Promise<void> {
    const { unsaved } = this.#deps;
    for (const cid of unsaved.cids) {
      if (unsaved.of(cid).some((accepted) => accepted.epoch <= epoch)) await this.#verifyConversation(cid, epoch);
    }
  }

  async #verifyConversation(cid: string, epoch: number): Promise<void> {
    const { store, unsaved, metrics } = this.#deps;
    const messages = unsaved.of(cid).filter((accepted) => accepted.epoch <= epoch);
    const found = await store.firstOutcomes(
      cid,
      messages.map(({ send }) => send.mid),
    );
    for (const [i, accepted] of messages.entries()) {
      const first = found[i];
      if (first === undefined) metrics.lost(1);
      unsaved.settle(accepted, first ?? new ChatError('store_unavailable'));
    }
  }

  /** What should be saved by now: the notice may not have arrived. */
  async #sweep(epoch: number): Promise<void> {
    const { unsaved, accept, clock, metrics } = this.#deps;
    const { entries, oldestAt } = await accept.backlog(epoch);
    metrics.backlog({ entries, oldestMs: oldestAt === undefined ? 0 : Math.max(0, clock.now() - oldestAt) });
    const cids = unsaved.overdue(clock.now() - OVERDUE_MS);
    if (cids.length === 0) return;
    const tails = await accept.tails(epoch, cids);
    for (const [i, cid] of cids.entries()) {
      const tail = tails[i];
      if (tail !== undefined) unsaved.saved({ cid, rev: tail.savedRev });
      // It was closed: everything of it is saved.
      else await this.#verifyConversation(cid, epoch);
    }
  }

  /** A node that is gone need not be waited for at the end, once everything that it can have accepted is saved. */
  async #forgetGone(epoch: number): Promise<void> {
    const { store, accept, clock, log } = this.#deps;
    const nodes = await store.acceptNodes(epoch);
    this.#liveNodes = Math.max(1, nodes.filter(({ live }) => live).length);
    const gone = nodes.filter(({ live, handedIn }) => !live && !handedIn).map(({ node }) => node);
    for (const node of this.#gone.keys()) if (!gone.includes(node)) this.#gone.delete(node);
    if (gone.length === 0) return;
    const { oldestAt = Number.POSITIVE_INFINITY } = await accept.backlog(epoch);
    for (const node of gone) {
      const since = this.#gone.get(node);
      if (since === undefined) this.#gone.set(node, clock.now());
      else if (oldestAt > since) {
        await store.forgetAcceptNode(node, epoch);
        log.info({ node }, 'everything that a node accepted, which is gone, is saved');
      }
    }
  }
}
