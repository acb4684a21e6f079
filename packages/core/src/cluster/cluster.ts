import type { Clock } from '@gapless/kit';
import type { Committed, KnownRev } from '../events.ts';
import type { Broker } from '../ports/broker.ts';
import type { Log } from '../ports/log.ts';
import type { ConversationReads } from '../ports/store.ts';
import {
  type Announcement,
  decodeAnnouncement,
  isNothing,
  payloadStart,
  type Replacement,
  type SettingsChange,
  type Typing,
} from './announcement.ts';
import { ANNOUNCEMENTS, Announcer } from './announcer.ts';
import { type Letter, Mailbox, parseLetter } from './mailbox.ts';
import type { ClusterMetrics } from './metrics.ts';
import { Peer } from './peer.ts';
import { Sweeper } from './sweeper.ts';

/** Each node says so often how far it is: so a lost last word is found out, and a node that is gone. */
const MENTION_MS = 1_000;

/** A node that was silent for so long is taken for dead: what it saved last it may not have told. */
const SILENT_MS = 5_000;

/** How long a node that is gone is remembered: one that was only cut off goes on where it was. */
const GONE_KEPT_MS = 10 * 60_000;

/** Without an echo of ourselves for so long we hear nobody: until then the store is asked at every turn. */
const DEAF_MS = 3_000;

/** Announcements come in another order at times: what is missing for so long is asked for. */
const ASK_MS = 20;

/** A node that has said this little when it is first heard of has just started: all of it is asked for. */
const YOUNG_MAX = 100;

/** What is lost at one time is made good together. */
const LOST_MS = 250;

export interface ClusterDeps {
  /** Unique among the processes that ever talk to each other. */
  node: string;
  broker: Broker;
  reads: Pick<ConversationReads, 'revs'>;
  clock: Clock;
  log: Log;
  metrics: ClusterMetrics;
  /** The broker carries nothing between processes: the store is asked at every turn. */
  alone?: boolean;
  /** What other nodes tell; must not throw. */
  listener: ClusterListener;
}

export interface ClusterListener {
  committed(committed: Committed): void;
  /** `until`: when their tokens are of age at the latest, beyond our own; epoch milliseconds. */
  revoked(sids: readonly string[], until: number): void;
  replaced(replacement: Replacement): void;
  settings(change: SettingsChange): void;
  typing(typing: Typing): void;
  /** A node was heard of for the first time: it may not know what was told before. */
  met(): void;
  /** Conversations with listeners here. */
  listened(): Iterable<string>;
  /** These revs are in the store, whether they were told or not. Of those that are doubted anything may have changed. */
  found(revs: readonly KnownRev[], doubted: ReadonlySet<string>): void;
  /** Called every second while the broker carries nothing. */
  deaf(): void;
  /** Anything may have been missed: what is cached of other nodes' doings is to be read again. Conversations with listeners are looked after. */
  lost(): void;
}

/**
 * This node among the others. What is committed here is announced, numbered, over a broker that may lose it; each node finds out by the
 * numbers what it missed and asks for it again. What cannot be had any more is read from the store. So the broker is never needed for
 * correctness, only for speed.
 */
export class Cluster {
  readonly mailbox: Mailbox;
  readonly #deps: ClusterDeps;
  readonly #announcer: Announcer;
  readonly #sweeper: Sweeper;
  readonly #peers = new Map<string, Peer>();
  readonly #stops: (() => void)[] = [];
  readonly #own: string;
  #heardSelfAt: number;
  #asking = false;
  #losing = false;

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
    this.mailbox = new Mailbox({ ...deps, knows: (node) => this.#peers.get(node)?.isGone === false });
    this.#announcer = new Announcer(deps);
    this.#own = payloadStart(deps.node);
    this.#heardSelfAt = deps.clock.elapsed();
    const { listener } = deps;
    this.#sweeper = new Sweeper({
      ...deps,
      listened: () => listener.listened(),
      found: (revs, doubted) => {
        listener.found(revs, doubted);
        // The others may have listeners, and nobody told them.
        const told = revs.filter(({ cid }) => doubted.has(cid));
        if (told.length > 0) this.committed({ entries: [], receipts: [], revs: told });
      },
    });
  }

  /** Resolves when this node hears the others. */
  async start(): Promise<void> {
    const { broker, node, clock } = this.#deps;
    this.#stops.push(
      await broker.subscribe(ANNOUNCEMENTS, (payload) => this.#hear(payload)),
      await broker.subscribe({ kind: 'node', name: node }, (payload) => this.#read(payload)),
      broker.watch({
        restored: () => this.#mention(),
        restarted: () => this.#mention(),
      }),
      clock.every(MENTION_MS, () => this.#turn()),
    );
    this.#mention();
  }

  /** Says goodbye. Who still misses something of it then reads the store. */
  close(): void {
    this.#announcer.mention({ leaving: true }).catch(() => {});
    for (const stop of this.#stops.splice(0)) stop();
    this.#sweeper.close();
  }

  /** The broker carries nothing now: what other nodes do is known from the store only. */
  get isDeaf(): boolean {
    return this.#deps.alone === true || this.#deps.clock.elapsed() - this.#heardSelfAt > DEAF_MS;
  }

  committed(committed: Committed): void {
    this.#announcer.committed(committed);
  }

  /** `until`: when a token of these may expire that outlives our own; epoch milliseconds. */
  revoked(sids: readonly string[], until = 0): void {
    this.#announcer.announce({ revoked: { sids, until } });
  }

  replaced(replaced: Replacement): void {
    this.#announcer.announce({ replaced });
  }

  settings(settings: SettingsChange): void {
    this.#announcer.announce({ settings });
  }

  typing(typing: Typing): void {
    void this.#announcer.mention({ typing }).catch(() => {});
  }

  /** Nobody knows whether something was saved of these. */
  doubt(cids: Iterable<string>): void {
    this.#sweeper.sweep(cids);
  }

  #mention(): void {
    this.#announcer.mention().catch(() => {});
  }

  #turn(): void {
    this.#mention();
    const { clock, metrics, listener } = this.#deps;
    const now = clock.elapsed();
    for (const peer of this.#peers.values()) {
      // Who hears nobody cannot tell who is silent.
      if (this.isDeaf && !peer.isGone) peer.seenAt = now;
      if (!peer.isGone && now - peer.seenAt >= SILENT_MS) this.#leave(peer);
      if (peer.isGone && now - peer.seenAt >= GONE_KEPT_MS) this.#peers.delete(peer.node);
    }
    metrics.nodes(1 + [...this.#peers.values()].filter(({ isGone }) => !isGone).length);
    if (!this.isDeaf) return;
    this.#sweeper.sweepAll();
    listener.deaf();
  }

  /** Without a goodbye: what it saved last it may not have told. */
  #leave(peer: Peer): void {
    this.#deps.log.warn({ peer: peer.node }, 'a node is gone');
    peer.isGone = true;
    this.#lost();
  }

  #hear(payload: string): void {
    if (payload.startsWith(this.#own)) this.#heardSelfAt = this.#deps.clock.elapsed();
    else this.#take(payload);
  }

  /** What came to this node alone: something announced before, or a letter. */
  #read(payload: string): void {
    if (payload.startsWith('{"v":')) return this.#take(payload);
    const letter = parseLetter(payload);
    if (letter === undefined) return this.#deps.log.warn({ chars: payload.length }, 'a letter was not understood');
    if (letter.t === 'again') this.#tellAgain(letter);
    else if (letter.t === 'gone') this.#gone(letter);
    else void this.mailbox.take(letter);
  }

  #take(payload: string): void {
    const { metrics, log, clock } = this.#deps;
    const told = decodeAnnouncement(payload);
    if (told === undefined) {
      log.warn({ chars: payload.length }, 'an announcement was not understood');
      return this.#sweeper.sweepAll();
    }
    metrics.received();
    const peer = this.#peers.get(told.node) ?? this.#meet(told);
    peer.seenAt = clock.elapsed();
    if (peer.isGone) {
      peer.isGone = false;
      log.info({ peer: peer.node }, 'a node is back');
    }
    const late = told.numbered && peer.missing.has(told.n);
    const found = peer.saw(told.numbered ? told.n - 1 : told.n);
    if (found > 0) metrics.missed(found);
    const fresh = !told.numbered || peer.take(told.n);
    if (late) metrics.recovered(1);
    if (fresh) this.#tell(told);
    if (told.leaving) this.#goodbye(peer);
    else if (peer.isTooFarBehind) this.#giveUp(peer);
    if (peer.missing.size > 0) this.#askSoon();
  }

  /** The first word of a node. What one that has said much said before, we have not heard; and clients may have joined since we began. */
  #meet({ node, n, numbered }: Announcement): Peer {
    const { clock, log } = this.#deps;
    const before = numbered ? n - 1 : n;
    const isYoung = before <= YOUNG_MAX;
    const peer = new Peer(node, { last: isYoung ? 0 : before, now: clock.elapsed() });
    this.#peers.set(node, peer);
    log.info({ peer: node }, 'a node is there');
    if (!isYoung) this.#lost();
    this.#deps.listener.met();
    this.#mention();
    return peer;
  }

  #goodbye(peer: Peer): void {
    this.#deps.log.info({ peer: peer.node }, 'a node has left');
    peer.isGone = true;
    if (peer.missing.size > 0) this.#giveUp(peer);
  }

  #tell({ committed, revoked, replaced, settings, typing }: Announcement): void {
    const { listener } = this.#deps;
    if (!isNothing(committed)) listener.committed(committed);
    if (revoked !== undefined) listener.revoked(revoked.sids, revoked.until);
    if (replaced !== undefined) listener.replaced(replaced);
    if (settings !== undefined) listener.settings(settings);
    if (typing !== undefined) listener.typing(typing);
  }

  #askSoon(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#deps.clock.after(ASK_MS, () => {
      this.#asking = false;
      this.#ask();
    });
  }

  #ask(): void {
    const { clock, node } = this.#deps;
    for (const peer of this.#peers.values()) {
      if (peer.missing.size === 0) continue;
      const numbers = peer.ask(clock.elapsed());
      if (numbers === 'given-up') this.#giveUp(peer);
      else if (numbers.length > 0) this.mailbox.send(peer.node, { t: 'again', from: node, numbers });
      if (peer.missing.size > 0) this.#askSoon();
    }
  }

  #tellAgain({ from, numbers }: Letter & { t: 'again' }): void {
    const gone = numbers.filter((n) => this.#announcer.kept(n) === undefined);
    for (const n of numbers) {
      const payload = this.#announcer.kept(n);
      if (payload !== undefined) this.mailbox.deliver(from, payload).catch(() => {});
    }
    if (gone.length > 0) this.mailbox.send(from, { t: 'gone', from: this.#deps.node, numbers: gone });
  }

  #gone({ from, numbers }: Letter & { t: 'gone' }): void {
    const peer = this.#peers.get(from);
    if (peer === undefined || !numbers.some((n) => peer.missing.has(n))) return;
    peer.forget(numbers);
    this.#lost();
  }

  #giveUp(peer: Peer): void {
    peer.forgetMissing();
    this.#lost();
  }

  #lost(): void {
    if (this.#losing) return;
    this.#losing = true;
    const { clock, metrics, listener } = this.#deps;
    clock.after(LOST_MS, () => {
      this.#losing = false;
      metrics.lost();
      listener.lost();
      this.#sweeper.sweepAll();
    });
  }
}
