import type { Committed, CommittedEntry, Directory, KnownRev, Log } from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { CatchUp, type CatchUpReads } from './catch-up.ts';
import { Channel } from './channel.ts';
import { Flusher } from './flusher.ts';
import { Frame } from './frame.ts';
import { keepMsOf, LargeConversations } from './large-conversations.ts';
import type { GatewayLimits } from './limits.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Session } from './session.ts';
import { Subscription } from './subscription.ts';

export interface HubOptions {
  reads: CatchUpReads;
  clock: Clock;
  log: Log;
  limits: GatewayLimits;
  metrics: GatewayMetrics;
  directory: Pick<Directory, 'peek'>;
}

/** What another node saved a moment before may come a moment later; asking it again takes less than this, reading the store costs all who listen. */
const MISSING_WAIT_MS = 100;

/**
 * Who listens to what in this process. Owns the channels with their tails, and hands sessions with something to write to the flusher.
 *
 * A commit makes the conversation's tail grow and marks its subscriptions; the flush at the end of the tick writes each marked session
 * everything from its positions to the heads. Replay after a join, slow readers and live delivery are the same road.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #users = new Map<string, Set<Session>>();
  readonly #catchUp: CatchUp;
  readonly flusher: Flusher;
  readonly large: LargeConversations;
  readonly #stopSweep: () => void;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#catchUp = new CatchUp(options, (subscription) => this.flusher.pageDone(subscription));
    this.flusher = new Flusher({ ...options, catchUp: this.#catchUp, onEnded: (subscription) => this.unsubscribe(subscription) });
    this.large = new LargeConversations({
      ...options,
      flusher: this.flusher,
      membersOf: (cid) => options.directory.peek(cid)?.members.size,
      mark: (subscription) => this.flusher.mark(subscription),
    });
    this.#stopSweep = options.clock.every(1_000, () => this.#sweep());
  }

  close(): void {
    this.#stopSweep();
  }

  /** A user's live sessions in this process. */
  sessionsOf(uid: string): ReadonlySet<Session> | undefined {
    return this.#users.get(uid);
  }

  /** Whether anyone at all is connected here. */
  get hasUsers(): boolean {
    return this.#users.size > 0;
  }

  channel(cid: string): Channel | undefined {
    return this.#channels.get(cid);
  }

  addUser(uid: string, session: Session): void {
    const sessions = this.#users.get(uid);
    if (sessions === undefined) this.#users.set(uid, new Set([session]));
    else sessions.add(session);
  }

  /** Forgets a session that ended. */
  removeSession(session: Session): void {
    for (const subscription of session.subscriptions.values()) this.unsubscribe(subscription);
    const uid = session.actor?.uid;
    const sessions = uid === undefined ? undefined : this.#users.get(uid);
    if (uid === undefined || sessions === undefined) return;
    sessions.delete(session);
    if (sessions.size === 0) this.#users.delete(uid);
  }

  /** A paused subscription: commits from here on are seen by it. A former one of the session for the same conversation ends. */
  subscribe(session: Session, cid: string): Subscription {
    const former = session.subscriptions.get(cid);
    if (former !== undefined) this.unsubscribe(former);
    let channel = this.#channels.get(cid);
    if (channel === undefined) this.#channels.set(cid, (channel = new Channel(cid, this.#options.limits.tail)));
    const subscription = new Subscription(session, channel);
    subscription.former = former?.joined ? former : former?.former;
    channel.subscriptions.add(subscription);
    session.subscriptions.set(cid, subscription);
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    const { channel, session } = subscription;
    subscription.closed = true;
    channel.subscriptions.delete(subscription);
    if (session.subscriptions.get(channel.cid) === subscription) session.subscriptions.delete(channel.cid);
    if (channel.subscriptions.size === 0 && this.#channels.get(channel.cid) === channel) this.#channels.delete(channel.cid);
  }

  /** A head read from the store for a join: what listeners here lack up to it comes by itself, or is fetched. */
  observe(channel: Channel, head: number, rev: number): void {
    channel.observe(head, rev);
    this.#waitForMissing(channel);
  }

  /** What a batch changed, to everyone who joined. Never waits, never fails because of a listener. */
  publish({ entries, revs, accepted = [], saved = [] }: Committed): void {
    const now = this.#options.clock.elapsed();
    for (const entry of entries) {
      const channel = this.#channels.get(entry.cid);
      // rev 0 is the creation: there is nobody yet, and a cursor starts behind it.
      if (channel === undefined || entry.rev === 0) continue;
      if (entry.op === 'message') channel.head = Math.max(channel.head, entry.seq);
      else if (entry.detail.op === 'participants_removed') endFor(channel, entry.detail.users, entry.rev);
      this.#catchUp.live();
      const isNews = channel.publish(entry.rev, new Frame(entry.text), now);
      this.large.review(channel);
      if (entry.op === 'message') this.#noteOwnRead(channel, entry);
      if (channel.delivery !== 'push') this.#pullForAuthor(channel, entry);
      if (isNews) this.#markAll(channel);
      this.#waitForMissing(channel);
    }
    for (const { cid, rev } of saved) this.#channels.get(cid)?.tail?.saved(rev);
    for (const known of [revs, accepted, saved]) this.expect(known);
  }

  /** Revs that are in the store, or in the accept log: who listens to the conversation gets what lies before them, from there if it does not come by itself. */
  expect(revs: readonly KnownRev[]): void {
    for (const { cid, rev } of revs) {
      const channel = this.#channels.get(cid);
      channel?.expect(rev);
      if (channel !== undefined) this.#waitForMissing(channel);
    }
  }

  /** Conversations with listeners here. */
  get conversations(): Iterable<string> {
    return this.#channels.keys();
  }

  isBehind(cid: string, rev: number): boolean {
    const head = this.#channels.get(cid)?.tail?.head;
    return head !== undefined && head < rev;
  }

  /** Positions may have been missed: the next join reads them from the store. */
  doubtPositions(): void {
    for (const channel of this.#channels.values()) channel.standings?.doubt();
  }

  #waitForMissing(channel: Channel): void {
    if (channel.waiting || !channel.hasHole) return;
    channel.waiting = true;
    const missing = channel.tail!.head + 1;
    const { clock, metrics } = this.#options;
    clock.after(MISSING_WAIT_MS, () => {
      channel.waiting = false;
      if (!channel.hasHole) return;
      // What was missing then has come, and now it is another one.
      if (channel.tail!.head >= missing) return this.#waitForMissing(channel);
      metrics.repaired();
      channel.giveUp(clock.elapsed());
      this.#markAll(channel);
    });
  }

  /** To all who are pushed; the others hear that there is something. */
  #markAll(channel: Channel): void {
    for (const subscription of channel.subscriptions) if (subscription.behind > 0 || !subscription.pulls) this.flusher.mark(subscription);
    this.large.news(channel);
  }

  /** The sender's own devices show a message at once, however large the conversation. */
  #pullForAuthor(channel: Channel, entry: CommittedEntry): void {
    const author = entry.op === 'message' ? entry.from : entry.by;
    for (const session of this.#users.get(author) ?? []) {
      const subscription = session.subscriptions.get(channel.cid);
      if (subscription !== undefined) subscription.pulledTo = Math.max(subscription.pulledTo, entry.rev);
    }
  }

  /** Sending reads. Whoever has the message from a join may have been told an older position with it; the others learn it from the message. */
  #noteOwnRead({ cid }: Channel, { from, seq, rev }: CommittedEntry & { op: 'message' }): void {
    for (const session of this.#users.get(from) ?? []) {
      const subscription = session.subscriptions.get(cid);
      if (subscription === undefined || subscription.ending || seq <= subscription.ownRead) continue;
      subscription.ownRead = seq;
      if (!subscription.joined || subscription.position < rev) continue;
      this.flusher.merge(session, `read ${cid} ${from}`, Frame.of({ t: 'read', cid, pos: seq, from }), { droppable: false });
    }
  }

  #sweep(): void {
    const now = this.#options.clock.elapsed();
    for (const channel of this.#channels.values()) channel.tail?.sweep(now, keepMsOf(channel));
  }
}

/** Removed users get what there was up to their removal, and nothing after it. */
function endFor(channel: Channel, users: readonly string[], rev: number): void {
  const removed = new Set(users);
  for (const subscription of channel.subscriptions) {
    if (rev > subscription.grantedRev && removed.has(subscription.session.actor?.uid ?? ''))
      subscription.lastRev = subscription.pulledTo = Math.min(subscription.lastRev, rev);
  }
}
