import { ChatError } from '../errors.ts';
import { AcceptLogAway } from '../ports/accept-log.ts';
import type { AcceptState } from '../ports/accept-store.ts';
import type { EpochDeps } from './deps.ts';
import { GoneNodes, LEASE_MS } from './gone-nodes.ts';
import { appendLeftovers, settle } from './settlement.ts';
import { Verification } from './verification.ts';

/** Between two looks at the state in the store; quicker while something is going on. */
const TURN_MS = 1_000;
const BUSY_TURN_MS = 100;

/** An accept log that is away for so long is given up, where sends are to go on without it. */
const AWAY_MS = 1_000;

/** A process that stood still for so long may have been given up by the others: it asks before it accepts again. */
const PAUSED_MS = 3_000;
const PULSE_MS = 500;

/** After an epoch was given up, before the next one begins; doubled each time, as long as none lives for a minute. */
const REST_MS = 2_000;
const REST_MAX_MS = 300_000;
const HEALTHY_MS = 60_000;

/** Without a node that accepts for so long the epoch ends: every conversation goes back to the store. */
const UNUSED_MS = 3_000;

/** After `deliver-before-saved` was switched off: longer than a message is unsaved, but for an outage. */
const SHOWN_MS = 60_000;

/** At the end of a node, for what it accepted to be saved by somebody. */
const FAREWELL_MS = 5_000;

/** The numbers of epochs leave holes, at random: two nodes that begin one at a time do not begin the same. */
const EPOCH_STEP_MAX = 1_000_000;

/** Longer than settling takes between two signs of life. */
const LEADER_MS = 10_000;
const LEADER = 'accept-leader';

/** The epoch ended before the call was made. */
export class EpochOver extends Error {
  constructor() {
    super('the epoch of the accept log is over');
    this.name = 'EpochOver';
  }
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
  #admitted: number | undefined;
  #calls = 0;
  #busy = true;
  #lookAgain = false;
  #doomed: number | undefined;
  #closing = false;
  #stopped = false;
  #awaySince: number | undefined;
  #unusedSince: number | undefined;
  #beganAt = 0;
  #restMs = REST_MS;
  #restUntil = 0;
  #pulse: number;
  readonly #verification: Verification;
  readonly #goneNodes: GoneNodes;
  #wake = new AbortController();
  /** For a change of the state. */
  readonly #waiters = new Set<AbortController>();
  readonly #stops: (() => void)[];
  readonly #running: Promise<void>;

  constructor(deps: EpochDeps) {
    this.#deps = deps;
    this.#verification = new Verification(deps);
    this.#goneNodes = new GoneNodes(deps);
    this.#pulse = deps.clock.elapsed();
    this.#stops = [
      deps.clock.every(PULSE_MS, () => this.#beat()),
      // Not in the turns: those wait for the store, and while that is away the backlog is what counts.
      deps.clock.every(TURN_MS, () => void this.#verification.measure(this.#current)),
      deps.accept.watch(() => this.look()),
    ];
    this.#running = this.#run();
  }

  /** The epoch in which this node may accept now. */
  get accepting(): number | undefined {
    const { clock } = this.#deps;
    return clock.elapsed() - this.#pulse > PAUSED_MS ? undefined : this.#accepting;
  }

  /** The epoch that is on, whether this node may accept or not: what is in it is read and saved. */
  get epoch(): number | undefined {
    return this.#current;
  }

  /** The epoch of which unsaved messages are shown to readers. */
  get shows(): number | undefined {
    const { rules, clock } = this.#deps;
    // What was shown a moment ago must not be gone for who asks again.
    return rules.deliverBeforeSaved || clock.elapsed() - this.#shownAt < SHOWN_MS ? this.#current : undefined;
  }

  /** Nodes that accept in this epoch, this one included, as they were at the last look. */
  get liveNodes(): number {
    return this.#liveNodes;
  }

  /** Looks at once how things are: what was tried says that they changed. */
  look(): void {
    this.#lookAgain = true;
    this.#wake.abort();
  }

  /** Something is in the log that cannot be: the epoch ends, and what it has is brought into the store. */
  giveUp(epoch: number): void {
    this.#doomed = epoch;
    this.look();
  }

  /** Resolves when the state changed, or after that time. */
  async change(ms: number): Promise<void> {
    const waiter = new AbortController();
    this.#waiters.add(waiter);
    await this.#deps.clock.sleep(ms, waiter.signal);
    this.#waiters.delete(waiter);
  }

  /** Runs a call that may give numbers: the epoch is not handed in while one is under way. @throws EpochOver when it is not on any more */
  async call<T>(epoch: number, task: () => Promise<T>): Promise<T> {
    if (this.accepting !== epoch) throw new EpochOver();
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
    this.look();
    const { clock, unsaved, log } = this.#deps;
    const until = clock.elapsed() + FAREWELL_MS;
    const isDone = () => this.#calls === 0 && unsaved.size === 0 && this.#registered === 0;
    while (!isDone() && clock.elapsed() < until) await clock.sleep(BUSY_TURN_MS);
    this.#stopped = true;
    this.#wake.abort();
    for (const stop of this.#stops) stop();
    await this.#running;
    if (isDone()) return;
    await this.#handIn(this.#registered).catch((error: unknown) => {
      log.warn({ err: error }, 'the others were not told what this node accepted, and that it leaves');
    });
  }

  #beat(): void {
    const { clock, rules } = this.#deps;
    const now = clock.elapsed();
    if (now - this.#pulse > PAUSED_MS) {
      this.#admitted = undefined;
      this.#set(undefined);
      this.look();
    }
    this.#pulse = now;
    if (rules.deliverBeforeSaved) this.#shownAt = now;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    while (!this.#stopped) {
      this.#busy = false;
      this.#lookAgain = false;
      try {
        await this.#turn();
      } catch (error) {
        // The store is away: what is open goes on.
        if (!(error instanceof ChatError) && !(error instanceof AcceptLogAway)) log.error({ err: error }, 'accept log: turn failed');
      }
      this.#wake = new AbortController();
      await clock.sleep(this.#busy || this.#lookAgain ? BUSY_TURN_MS : TURN_MS, this.#wake.signal);
    }
  }

  async #turn(): Promise<void> {
    const { store, metrics, unsaved } = this.#deps;
    const { epoch, state } = await store.acceptState();
    if (this.#seen !== `${epoch} ${state}`) {
      this.#seen = `${epoch} ${state}`;
      if (state === 'closed') this.#rest();
      this.#tellChange();
    }
    if (state === 'open') return this.#open(epoch);
    this.#current = undefined;
    this.#set(undefined);
    this.#busy = state === 'settling' || unsaved.size > 0 || this.#wanted;
    if (state === 'settling') return this.#settle(epoch);
    metrics.epoch(epoch, 'off');
    metrics.backlog({ entries: 0, oldestMs: 0 });
    await this.#verification.verify(epoch);
    this.#registered = 0;
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
    for (const waiter of this.#waiters) waiter.abort();
    this.#waiters.clear();
  }

  async #open(epoch: number): Promise<void> {
    const { accept, log, metrics, clock } = this.#deps;
    if (this.#current !== epoch) {
      this.#current = undefined;
      this.#unusedSince = undefined;
      this.#awaySince = undefined;
      this.#set(undefined);
    }
    if (this.#handedIn === epoch) return;
    await this.#verification.verify(epoch - 1);
    const current = await accept.epoch().catch((error: unknown) => {
      if (error instanceof AcceptLogAway) return 'away' as const;
      throw error;
    });
    if (current === 'away') return this.#away(epoch);
    this.#awaySince = undefined;
    if (current !== epoch || this.#doomed === epoch) {
      log.warn({ epoch, current }, 'the accept log is not what it was: its epoch ends');
      return this.#end(epoch);
    }
    if (this.#current !== epoch) this.#beganAt = clock.elapsed();
    this.#current = epoch;
    metrics.epoch(epoch, 'open');
    if (this.#wanted && !this.#closing) await this.#enter(epoch);
    else await this.#leave(epoch);
    await this.#verification.sweep(epoch);
    await this.#lookAtNodes(epoch);
  }

  /** From here on this node may accept. The store knows of it before the log does. */
  async #enter(epoch: number): Promise<void> {
    const { store, accept, node, clock } = this.#deps;
    const askedAt = clock.elapsed();
    const isSeen = await store.seenAccepting({ node, epoch, handedIn: false, leaseMs: LEASE_MS });
    // After a pause that is no news any more.
    if (!isSeen || clock.elapsed() - askedAt > PAUSED_MS) return this.look();
    this.#registered = epoch;
    if (this.#admitted !== epoch) await accept.admit(epoch, node);
    this.#admitted = epoch;
    this.#set(epoch);
  }

  /** This node accepts nothing; once all of what it accepted is saved, nobody need ask it. */
  async #leave(epoch: number): Promise<void> {
    const { store, accept, node, unsaved } = this.#deps;
    this.#set(undefined);
    if (this.#registered !== epoch) return;
    await store.seenAccepting({ node, epoch, handedIn: false, leaseMs: LEASE_MS });
    if (this.#calls > 0 || unsaved.size > 0) return;
    await accept.bar(epoch, node);
    this.#admitted = undefined;
    await store.forgetAcceptNode(node, epoch);
    this.#registered = 0;
  }

  async #away(epoch: number): Promise<void> {
    const { clock, rules, log } = this.#deps;
    this.#busy = true;
    this.#awaySince ??= clock.elapsed();
    if (!rules.failOpen || clock.elapsed() - this.#awaySince < AWAY_MS) return;
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
    const { store, node, metrics } = this.#deps;
    metrics.epoch(epoch, 'over');
    await this.#handIn(epoch);
    await this.#lead(epoch, 'settling', async () => {
      const settled = await settle(this.#deps, epoch, () => store.acquireLease(LEADER, node, LEADER_MS));
      if (!settled) return;
      await store.moveAcceptState({ epoch, state: 'settling' }, { epoch, state: 'closed' });
      this.look();
    });
  }

  /** Brings about what comes after that state, if nobody else is at it, or did it while it was asked. Whoever leads next need not wait. */
  async #lead(epoch: number, state: AcceptState['state'], task: () => Promise<void>): Promise<void> {
    const { store, node } = this.#deps;
    if (!(await store.acquireLease(LEADER, node, LEADER_MS))) return;
    try {
      const now = await store.acceptState();
      if (now.epoch === epoch && now.state === state) await task();
    } finally {
      // Where that fails the lease ends by itself.
      await store.releaseLease(LEADER, node).catch(() => {});
    }
  }

  #rest(): void {
    const now = this.#deps.clock.elapsed();
    this.#restMs = now - this.#beganAt > HEALTHY_MS ? REST_MS : Math.min(this.#restMs * 2, REST_MAX_MS);
    this.#restUntil = now + this.#restMs;
  }

  /** The log refused this node: it was given up, and asks anew. */
  refused(): void {
    this.#admitted = undefined;
    this.look();
  }

  /** What this node accepted, for whoever settles the epoch. */
  async #handIn(epoch: number): Promise<void> {
    const { store, node, unsaved, clock } = this.#deps;
    if (this.#handedIn === epoch || epoch === 0) return;
    this.#set(undefined);
    // Their numbers belong to it.
    while (this.#calls > 0) await clock.sleep(1);
    await store.rescue(unsaved.all().filter((accepted) => accepted.epoch === epoch));
    if (await store.seenAccepting({ node, epoch, handedIn: true, leaseMs: LEASE_MS })) this.#handedIn = epoch;
  }

  async #begin(epoch: number): Promise<void> {
    if (this.#deps.clock.elapsed() >= this.#restUntil) await this.#lead(epoch, 'closed', () => this.#beginNext(epoch));
  }

  async #beginNext(epoch: number): Promise<void> {
    const { store, accept, node, log } = this.#deps;
    // The one next to it bars those who have not heard that this one is over: see settlement.ts.
    // A beginning that nobody was told of has a number that is gone.
    const last = Math.max(epoch, (await accept.epoch()) ?? 0);
    const next = last + 2 + Math.floor(this.#deps.random() * EPOCH_STEP_MAX);
    await accept.begin(next);
    await appendLeftovers(this.#deps, next, () => store.acquireLease(LEADER, node, LEADER_MS));
    if (await store.moveAcceptState({ epoch, state: 'closed' }, { epoch: next, state: 'open' }))
      log.info({ epoch: next }, 'an epoch of the accept log begins');
    this.look();
  }

  async #lookAtNodes(epoch: number): Promise<void> {
    const { store, log, clock } = this.#deps;
    const nodes = await store.acceptNodes(epoch);
    const live = nodes.filter((node) => node.live).length;
    this.#liveNodes = Math.max(1, live);
    await this.#goneNodes.look(
      epoch,
      nodes.filter((node) => !node.live && !node.handedIn).map(({ node }) => node),
    );
    if (live > 0) this.#unusedSince = undefined;
    else this.#unusedSince ??= clock.elapsed();
    if (this.#unusedSince === undefined || clock.elapsed() - this.#unusedSince < UNUSED_MS) return;
    log.info({ epoch }, 'no node accepts any more: the epoch of the accept log ends');
    await this.#end(epoch);
  }
}
