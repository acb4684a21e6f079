import type { DownFrameOf, http } from '@gapless/protocol';
import { ID_MAX_CHARS } from '@gapless/protocol/limits';
import type { ConversationHost } from './conversation-host.ts';
import { Details } from './details.ts';
import { History } from './history.ts';
import { Joining } from './joining.ts';
import { News } from './news.ts';
import { Derived } from './observable.ts';
import { itemOf } from './outbox.ts';
import { Puller } from './pull.ts';
import { Reading } from './reading.ts';
import { Receipts } from './receipts.ts';
import { Snapshots } from './snapshot.ts';
import { LOST, Timeline } from './timeline.ts';
import type { Conversation, Message, NewMessage, TimelineSnapshot } from './types.ts';
import { TypingIn, TypingOut } from './typing.ts';

/** Closed and opened again within this, as routers and strict modes do, it was never left. */
const LINGER_MS = 1_000;

/**
 * One conversation: joined while it is open, loaded from the newest page backwards.
 *
 * 1. The first join is at the head, and the history is asked for up to that head: what comes live meanwhile follows it, nothing between.
 * 2. A reconnect joins with `rev` and the server replays. `reset`, or a seq missing on the wire, begins again at 1.
 * 3. Frames count only between `joined` and the next join, leave or disconnect.
 */
export class LiveConversation implements Conversation {
  readonly cid: string;
  readonly #host: ConversationHost;
  readonly #timeline = new Timeline();
  readonly #receipts = new Receipts();
  readonly #snapshots = new Snapshots();
  readonly #news = new News();
  readonly #reading: Reading;
  readonly #details: Details;
  readonly #history: History;
  /** Only a large conversation needs it. */
  readonly #puller: Puller;
  readonly #typingIn = new TypingIn(() => this.#changed());
  readonly #typingOut: TypingOut;
  readonly #snapshot = new Derived(() => this.#build());
  #opens = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;
  readonly #joining = new Joining();
  #head = 0;
  #error: string | undefined;

  constructor(cid: string, host: ConversationHost) {
    this.cid = cid;
    this.#host = host;
    this.#typingOut = new TypingOut((on) => host.send({ t: 'typing', cid, on }));
    this.#details = new Details(
      () => host.http.conversation(cid),
      () => this.#onDetail(),
    );
    this.#history = new History({
      timeline: this.#timeline,
      messages: (page) => host.http.messages(cid, page),
      fetchDetails: () => this.#details.fetch(),
      onNewest: () => this.#onLoaded(),
      onOlder: () => this.#changed(),
      onRefused: (code) => this.fail(code),
    });
    this.#puller = new Puller({ pull: () => host.send({ t: 'pull', cid }), rev: () => this.#timeline.rev ?? 0 });
    this.#reading = new Reading(cid);
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#snapshot.subscribe(listener);
  readonly getSnapshot = (): TimelineSnapshot => this.#snapshot.getSnapshot();

  /** Open, or closed so lately that it may be opened again. */
  get wanted(): boolean {
    return this.#opens > 0 || this.#linger !== undefined;
  }

  get joined(): boolean {
    return this.#joining.joined;
  }

  /** Asked for, and not answered yet. */
  get joinPending(): boolean {
    return this.#joining.pending;
  }

  /** For good, as it seemed. */
  get refused(): boolean {
    return this.#error !== undefined;
  }

  open(): void {
    // One that the server cannot read would have it refuse all that are joined with it.
    if (this.cid === '' || [...this.cid].length > ID_MAX_CHARS) return this.fail('bad_frame');
    const lingering = this.#linger !== undefined;
    clearTimeout(this.#linger);
    this.#linger = undefined;
    if (this.#opens++ === 0 && !(lingering && this.joined)) this.#host.send({ t: 'join', ...this.joinRequest() });
  }

  close(): void {
    if (this.#opens === 0 || --this.#opens > 0) return;
    this.#typingOut.set(false);
    this.#linger = setTimeout(() => {
      this.#linger = undefined;
      this.#leave();
    }, LINGER_MS);
  }

  #leave(): void {
    this.#host.send({ t: 'leave', cid: this.cid });
    // What was told of and not pulled yet, nobody pulls any more; the list shows the newest.
    if (this.#puller.active) this.#host.onDetailChanged(this.cid);
    this.#onLeft();
    this.stop();
    if (!this.#timeline.loaded) {
      this.#timeline.clear();
      this.#news.forget();
    }
    this.#prune();
  }

  /** For `join` and `sync`. What comes before the answer belongs to no join any more. */
  joinRequest(): { cid: string; rev?: number } {
    const { rev } = this.#timeline;
    this.#joining.requested({ atHead: rev === undefined });
    return rev === undefined ? { cid: this.cid } : { cid: this.cid, rev };
  }

  onDisconnect(): void {
    this.#joining.disconnected();
    this.#onLeft();
  }

  #onLeft(): void {
    this.#joining.left();
    this.#reading.onDisconnect();
    this.#puller.stop();
    this.#typingIn.clear();
  }

  /** A `join` or `sync` was refused; where it is not `named`, it may have been about this one. Returns whether it is joined no more for that. */
  onJoinRefused(options: { named: boolean }): boolean {
    const left = this.#joining.onRefused(options);
    if (left) this.#onLeft();
    return left;
  }

  /** Ends what goes on without a connection, too. A later `joined` begins it again. */
  stop(): void {
    this.#history.stop();
    this.#details.stop();
  }

  onJoined(frame: DownFrameOf<'joined'>): void {
    // Until a `head` behind it says otherwise, everything comes by itself.
    this.#puller.stop();
    this.#joining.answered(frame.rev, this.wanted);
    if (!this.joined) return;
    const timeline = this.#timeline;
    this.#error = undefined;
    const same = timeline.rev === frame.rev && timeline.newest === frame.head;
    if (frame.reset || (this.#joining.atHead && !same)) {
      timeline.start(frame);
      this.stop();
      this.#news.startAt(frame.head);
    } else if (frame.head > timeline.newest && frame.rev <= timeline.rev!) {
      // Nothing to replay, they say, and yet there is more than we have.
      return this.#restart();
    }
    timeline.savedUpTo(frame.saved ?? frame.head);
    this.#head = Math.max(frame.head, timeline.newest);
    this.#reading.onJoined(frame.lastRead, { reset: frame.reset === true });
    this.#raiseLastRead(frame.lastRead);
    void this.#history.loadNewest();
    this.#details.resume();
    this.#host.positionsChanged(this);
    this.#changed();
  }

  /** The join was refused for good, or the user was removed. */
  fail(code: string): void {
    this.#onLeft();
    this.stop();
    this.#error = code;
    this.#changed();
  }

  onMessage(frame: DownFrameOf<'message'>): void {
    if (!this.joined) return;
    const accepted = this.#timeline.accept(frame);
    if (accepted === 'gap') return this.#restart();
    if (accepted === 'new') this.#onNew(frame);
    if (frame.from === this.#host.userId()) this.#host.queue.seen(frame);
    // Its ack may have been there before.
    this.#prune();
    if (this.#timeline.loaded && accepted !== 'known') this.#host.onActivity(this.cid, frame);
    this.#emitNew();
    this.#host.positionsChanged(this);
    this.#changed();
  }

  #onNew({ from, seq, rev }: http.Message): void {
    this.#head = Math.max(this.#head, seq);
    this.#typingIn.set(from, false);
    // Who writes has read what stands before.
    if (from !== this.#host.userId()) this.#receipts.advance(from, 'read', seq);
    else {
      // Of those before, `joined` has said what counts: one's own from before one was added again do not.
      if (rev > this.#joining.rev) this.#reading.known(seq);
      this.#raiseLastRead(seq);
    }
  }

  onChangeFrame(frame: DownFrameOf<'change'>): void {
    if (!this.joined || !this.#timeline.advance(frame.rev)) return;
    if (frame.op === LOST) {
      this.#timeline.lose(frame);
      this.#host.queue.onLost(frame);
      // An own message said how far the user has read; the server forgot that with it.
      this.#reading.onRefused('read');
      this.#host.positionsChanged(this);
    } else this.#details.onChange(frame);
    if (frame.op === 'participants_removed') for (const user of frame.users ?? []) this.#receipts.drop(user);
    this.#host.onChange(frame);
    this.#host.onDetailChanged(this.cid);
    const isOut = frame.op === 'participants_removed' && frame.users?.includes(this.#host.userId() ?? '') && frame.rev > this.#joining.rev;
    if (isOut) return this.fail('not_participant');
    this.#changed();
  }

  onReceipt({ t, from, pos }: DownFrameOf<'delivered' | 'read'>): void {
    if (from !== this.#host.userId()) {
      if (this.#receipts.advance(from, t, pos)) this.#changed();
    } else if (t === 'read') {
      this.#reading.known(pos);
      this.#raiseLastRead(pos);
    }
  }

  /** Of a joined one, or not: how far the server knows the user to have read. */
  onNotice({ head, unread }: DownFrameOf<'conversation'>): void {
    this.#reading.known(head - unread);
  }

  onTyping({ from, on }: DownFrameOf<'typing'>): void {
    if (this.joined && from !== this.#host.userId()) this.#typingIn.set(from, on);
  }

  onBehind({ head }: Pick<DownFrameOf<'behind'>, 'head'>): void {
    this.#head = Math.max(this.#head, head);
    this.#changed();
  }

  onHead(frame: DownFrameOf<'head'>): void {
    if (!this.joined) return;
    this.#puller.onHead(frame);
    this.onBehind(frame);
  }

  /** An own message is saved. Where nothing comes by itself, it has to be asked for. */
  onAck({ stage, pos, rev }: DownFrameOf<'ack'>): void {
    if (stage !== 'saved') return;
    this.#timeline.savedUpTo(pos);
    this.#puller.onOwn(rev);
    this.#changed();
  }

  onPullError(retryAfterMs: number): void {
    this.#puller.onRefused(retryAfterMs);
  }

  /** Of the send queue. */
  onQueueChanged(): void {
    this.#prune();
    this.#changed();
  }

  /** A position was refused: it is told again. */
  onPositionError(t: string): void {
    this.#reading.onRefused(t);
    this.#host.positionsChanged(this);
  }

  get hasPositionsToTell(): boolean {
    return this.#reading.hasToTell;
  }

  tellPositions(): void {
    const { loaded, newest } = this.#timeline;
    this.#reading.tell((frame) => this.#host.send(frame), this.joined && loaded ? newest : 0);
  }

  markRead(seq: number = this.#timeline.newest): void {
    this.#raiseLastRead(Math.min(seq, this.#head));
    this.#host.positionsChanged(this);
  }

  #raiseLastRead(pos: number): void {
    if (!this.#reading.raise(pos)) return;
    this.#host.onRead(this.cid, pos);
    this.#changed();
  }

  typing(on: boolean): void {
    this.#typingOut.set(on);
  }

  send(message: NewMessage): Promise<Message> {
    const sent = this.#send(message);
    // A failure shows on the message; who does not wait for the outcome need not catch it.
    sent.catch(() => {});
    return sent;
  }

  async #send(message: NewMessage): Promise<Message> {
    this.#typingOut.set(false);
    const { createdAt, ...fields } = itemOf(this.cid, message);
    const saved = await this.#host.queue.send({ ...fields, createdAt });
    return { ...fields, ...saved, from: this.#host.userId() ?? '', status: 'sent' };
  }

  retry(mid: string): void {
    this.#host.queue.retry(this.cid, mid);
  }

  discard(mid: string): void {
    this.#host.queue.forget(this.cid, mid);
  }

  loadOlder(): Promise<void> {
    return this.#history.loadOlder();
  }

  #onLoaded(): void {
    const { messages } = this.#timeline;
    const userId = this.#host.userId();
    for (const message of messages) if (message.from === userId) this.#host.queue.seen(message);
    const last = messages.at(-1);
    if (last !== undefined) this.#host.onActivity(this.cid, last);
    this.#prune();
    this.#emitNew();
    this.#host.positionsChanged(this);
    this.#changed();
  }

  #onDetail(): void {
    const userId = this.#host.userId();
    for (const { userId: user, lastRead } of this.#details.participants) {
      if (user === userId) this.#raiseLastRead(lastRead);
      else if (lastRead > 0) this.#receipts.advance(user, 'read', lastRead);
    }
    this.#changed();
  }

  /** Drops what is there and begins at the head again. */
  #restart(): void {
    this.#timeline.clear();
    this.stop();
    this.#joining.restart(() => {
      if (this.wanted) this.#host.send({ t: 'join', ...this.joinRequest() });
    });
    this.#changed();
  }

  #emitNew(): void {
    for (const message of this.#news.take(this.#timeline))
      this.#host.onMessage(this.#snapshots.message(message, { userId: this.#host.userId(), saved: this.#timeline.saved }));
  }

  /** Saved ones leave the queue when the timeline has them, or when nobody looks. */
  #prune(): void {
    const { loaded, newest } = this.#timeline;
    for (const { status, given, item } of this.#host.queue.entries(this.cid))
      if (status === 'sent' && (!this.wanted || (loaded && given!.seq <= newest))) this.#host.queue.forget(this.cid, item.mid);
  }

  #changed(): void {
    this.#snapshot.changed();
  }

  #build(): TimelineSnapshot {
    return this.#snapshots.build({
      timeline: this.#timeline,
      details: this.#details,
      receipts: this.#receipts,
      entries: [...this.#host.queue.entries(this.cid)],
      userId: this.#host.userId(),
      head: this.#head,
      lastRead: this.#reading.lastRead,
      typing: this.#typingIn.users(),
      error: this.#error,
    });
  }
}
