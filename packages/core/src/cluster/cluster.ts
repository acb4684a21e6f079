import type { Clock } from '@gapless/kit';
import type { Committed, KnownRev } from '../events.ts';
import type { Broker } from '../ports/broker.ts';
import type { Log } from '../ports/log.ts';
import type { ConversationReads } from '../ports/store.ts';
import { type Announcement, decodeAnnouncement, payloadStart, type Replacement, type SettingsChange, type Typing } from './announcement.ts';
import { ANNOUNCEMENTS, Announcer } from './announcer.ts';
import { type Letter, Mailbox, parseLetter } from './mailbox.ts';
import type { ClusterMetrics } from './metrics.ts';
import { Peer } from './peer.ts';
import { Sweeper } from './sweeper.ts';

/** Each node says so often how far it is: so a lost last word is found out, and a node that is gone. */
const MENTION_MS = 1_000;

/** A node that was silent for so long is taken for dead: what it saved last it may not have told. */
const SILENT_MS = 5_000;

/** Without an echo of ourselves for so long we hear nobody: until then the store is asked at every turn. */
const DEAF_MS = 3_000;

/** What is missing is asked for again after this, and each time after twice as long. */
const ASK_AGAIN_MS = 20;
const ASK_MAX = 8;

export interface ClusterDeps {
  /** Unique among the processes that ever talk to each other. */
  node: string;
  broker: Broker;
  reads: Pick<ConversationReads, 'revs'>;
  clock: Clock;
  log: Log;
  metrics: ClusterMetrics;
  /** What other nodes tell; must not throw. */
  listener: ClusterListener;
}

export interface ClusterListener {
  committed(committed: Committed): void;
  revoked(sids: readonly string[]): void;
  replaced(replacement: Replacement): void;
  settings(change: SettingsChange): void;
  typing(typing: Typing): void;
  /** Conversations with listeners here. */
  listened(): Iterable<string>;
  /** These revs are in the store, whether they were told or not. */
  found(revs: readonly KnownRev[]): void;
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

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
    this.mailbox = new Mailbox(deps);
    this.#announcer = new Announcer(deps);
    this.#own = payloadStart(deps.node);
    this.#heardSelfAt = deps.clock.now();
    const { listener } = deps;
    this.#sweeper = new Sweeper({ ...deps, listened: () => listener.listened(), found: (revs) => listener.found(revs) });
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

  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#sweeper.close();
  }

  /** Other nodes that live, as far as is known here. */
  get peers(): number {
    return this.#peers.size;
  }

  /** Without it, other nodes learn of what happens here only from the store. */
  get isDeaf(): boolean {
    return this.#deps.clock.now() - this.#heardSelfAt > DEAF_MS;
  }

  committed(committed: Committed): void {
    this.#announcer.announce({ committed });
  }

  revoked(sids: readonly string[]): void {
    this.#announcer.announce({ revoked: sids });
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
    const { clock, log, metrics } = this.#deps;
    for (const peer of this.#peers.values()) {
      if (clock.now() - peer.seenAt < SILENT_MS || this.isDeaf) continue;
      log.warn({ peer: peer.node }, 'a node is gone');
      this.#peers.delete(peer.node);
      this.#lost();
    }
    metrics.nodes(this.#peers.size + 1);
    if (!this.isDeaf) return;
    this.#sweeper.sweepAll();
    this.#deps.listener.deaf();
  }

  #hear(payload: string): void {
    if (payload.startsWith(this.#own)) this.#heardSelfAt = this.#deps.clock.now();
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
      log.warn({ start: payload.slice(0, 100) }, 'an announcement was not understood');
      return this.#sweeper.sweepAll();
    }
    metrics.received();
    const peer = this.#peers.get(told.node) ?? this.#meet(told);
    peer.seenAt = clock.now();
    const late = told.numbered && peer.missing.has(told.n);
    const found = peer.saw(told.numbered ? told.n - 1 : told.n);
    if (found > 0) metrics.missed(found);
    const fresh = !told.numbered || peer.take(told.n);
    if (late) metrics.recovered(1);
    if (fresh) this.#tell(told);
    if (peer.isTooFarBehind) this.#giveUp(peer);
    if (peer.missing.size > 0) this.#askSoon();
  }

  /** The first word of a node: what it said before we were there is no loss. */
  #meet({ node, since, n, numbered }: Announcement): Peer {
    const { clock, log } = this.#deps;
    const younger = since >= this.#announcer.since;
    const peer = new Peer(node, { last: younger ? 0 : numbered ? n - 1 : n, now: clock.now() });
    this.#peers.set(node, peer);
    log.info({ peer: node }, 'a node is there');
    this.#mention();
    return peer;
  }

  #tell({ committed, revoked, replaced, settings, typing }: Announcement): void {
    const { listener } = this.#deps;
    if (committed.entries.length + committed.receipts.length + committed.revs.length > 0) listener.committed(committed);
    if (revoked.length > 0) listener.revoked(revoked);
    if (replaced !== undefined) listener.replaced(replaced);
    if (settings !== undefined) listener.settings(settings);
    if (typing !== undefined) listener.typing(typing);
  }

  #askSoon(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#deps.clock.after(ASK_AGAIN_MS, () => {
      this.#asking = false;
      this.#ask();
    });
  }

  #ask(): void {
    const { clock, node } = this.#deps;
    const now = clock.now();
    for (const peer of this.#peers.values()) {
      if (peer.missing.size === 0) continue;
      if (peer.asked >= ASK_MAX) {
        this.#giveUp(peer);
        continue;
      }
      this.#askSoon();
      if (now - peer.askedAt < ASK_AGAIN_MS * 2 ** peer.asked) continue;
      peer.asked++;
      peer.askedAt = now;
      this.mailbox.send(peer.node, { t: 'again', from: node, numbers: [...peer.missing] });
    }
  }

  #tellAgain({ from, numbers }: Letter & { t: 'again' }): void {
    const gone = numbers.filter((n) => this.#announcer.kept(n) === undefined);
    for (const n of numbers) {
      const payload = this.#announcer.kept(n);
      if (payload !== undefined) this.mailbox.deliver(from, payload);
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
    this.#deps.metrics.lost();
    this.#deps.listener.lost();
    this.#sweeper.sweepAll();
  }
}
