import type { DownFrameOf, http, UpFrame } from '@gapless/protocol';
import { ERRORS } from '@gapless/protocol/codes';
import { Backoff } from './backoff.ts';
import { Details } from './details.ts';
import { GaplessError, knownCode } from './errors.ts';
import { MessageViews } from './message-view.ts';
import { Derived } from './observable.ts';
import { Receipts } from './receipts.ts';
import type { Entry, SendQueue } from './send-queue.ts';
import { Timeline } from './timeline.ts';
import type { Conversation, HttpApi, Message, NewMessage, OutboxItem, TimelineSnapshot } from './types.ts';
import { TypingIn, TypingOut } from './typing.ts';
import { ulid } from './ulid.ts';

const PAGE = 50;
/** Closed and opened again within this, as routers and strict modes do, it was never left. */
const LINGER_MS = 1_000;
/** Between two tries to begin anew on one connection: a server that goes on leaving gaps is not hammered. */
const RESTART_MS = 1_000;

export interface ConversationHost {
  readonly http: HttpApi;
  readonly queue: SendQueue;
  userId(): string | undefined;
  /** False when not online. */
  send(frame: UpFrame): boolean;
  onMessage(message: Message): void;
  onChange(frame: DownFrameOf<'change'>): void;
  /** The newest message of the conversation, or a change of it: the list shows it. */
  onActivity(cid: string, message: http.Message): void;
  onDetailChanged(cid: string): void;
  onRead(cid: string, lastRead: number): void;
  /** `tellPositions` is called soon. */
  positionsChanged(conversation: LiveConversation): void;
}

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
  readonly #views = new MessageViews();
  readonly #details: Details;
  readonly #typingIn = new TypingIn(() => this.#changed());
  readonly #typingOut: TypingOut;
  readonly #snapshot = new Derived(() => this.#build());
  #opens = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #joined = false;
  /** The last join asked for the head. */
  #atHead = false;
  #restartedAt = Number.NEGATIVE_INFINITY;
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  /** Of the running load; raising it ends that. */
  #load = 0;
  #loading = false;
  #older: Promise<void> | undefined;
  #head = 0;
  #lastRead = 0;
  #toldRead = 0;
  #toldAck = 0;
  /** Newest seq given to `message` listeners. */
  #emitted: number | undefined;
  #error: string | undefined;

  constructor(cid: string, host: ConversationHost) {
    this.cid = cid;
    this.#host = host;
    this.#typingOut = new TypingOut((on) => host.send({ t: 'typing', cid, on }));
    this.#details = new Details(
      () => host.http.conversation(cid),
      () => this.#onDetail(),
    );
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#snapshot.subscribe(listener);
  readonly getSnapshot = (): TimelineSnapshot => this.#snapshot.getSnapshot();

  /** Open, or closed so lately that it may be opened again. */
  get wanted(): boolean {
    return this.#opens > 0 || this.#linger !== undefined;
  }

  get joined(): boolean {
    return this.#joined;
  }

  open(): void {
    const lingering = this.#linger !== undefined;
    clearTimeout(this.#linger);
    this.#linger = undefined;
    if (this.#opens++ === 0 && !(lingering && this.#joined)) this.#host.send({ t: 'join', ...this.joinRequest() });
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
    this.onDisconnect();
    this.stop();
    if (!this.#timeline.loaded) {
      this.#timeline.clear();
      this.#emitted = undefined;
    }
    this.#prune();
  }

  /** For `join` and `sync`. What comes before the answer belongs to no join any more. */
  joinRequest(): { cid: string; rev?: number } {
    const { rev } = this.#timeline;
    this.#joined = false;
    this.#atHead = rev === undefined;
    return rev === undefined ? { cid: this.cid } : { cid: this.cid, rev };
  }

  onDisconnect(): void {
    this.#joined = false;
    this.#toldAck = 0;
    clearTimeout(this.#restartTimer);
    this.#typingIn.clear();
  }

  /** Ends what goes on without a connection, too. A later `joined` begins it again. */
  stop(): void {
    this.#load++;
    this.#loading = false;
    this.#details.stop();
  }

  onJoined(frame: DownFrameOf<'joined'>): void {
    if (!this.wanted) return;
    const timeline = this.#timeline;
    this.#joined = true;
    this.#error = undefined;
    const same = timeline.rev === frame.rev && timeline.newest === frame.head;
    if (frame.reset || (this.#atHead && !same)) {
      timeline.start(frame);
      this.stop();
      this.#lastRead = frame.reset ? frame.lastRead : this.#lastRead;
      this.#emitted = Math.min(this.#emitted ?? frame.head, frame.head);
    } else if (frame.head > timeline.newest && frame.rev <= timeline.rev!) {
      // Nothing to replay, they say, and yet there is more than we have.
      return this.#restart();
    }
    this.#head = Math.max(frame.head, timeline.newest);
    this.#toldRead = frame.lastRead;
    this.#raiseLastRead(frame.lastRead);
    if (!timeline.loaded && !this.#loading) void this.#loadNewest();
    this.#details.resume();
    this.#host.positionsChanged(this);
    this.#changed();
  }

  /** The join was refused for good, or the user was removed. */
  fail(code: string): void {
    this.onDisconnect();
    this.stop();
    this.#error = code;
    this.#changed();
  }

  onMessage(frame: DownFrameOf<'message'>): void {
    if (!this.#joined) return;
    const accepted = this.#timeline.accept(frame);
    if (accepted === 'gap') return this.#restart();
    if (accepted === 'new') this.#onNew(frame);
    this.#prune();
    if (this.#timeline.loaded && accepted !== 'known') this.#host.onActivity(this.cid, frame);
    this.#emitNew();
    this.#host.positionsChanged(this);
    this.#changed();
  }

  #onNew({ from, seq, mid, at }: http.Message): void {
    this.#head = Math.max(this.#head, seq);
    this.#typingIn.set(from, false);
    // Who writes has read what stands before.
    if (from !== this.#host.userId()) this.#receipts.advance(from, 'read', seq);
    else {
      this.#toldRead = Math.max(this.#toldRead, seq);
      this.#raiseLastRead(seq);
      this.#host.queue.settle(this.cid, mid, { seq, at });
      // Its ack may have been there before.
      this.#prune();
    }
  }

  onChangeFrame(frame: DownFrameOf<'change'>): void {
    if (!this.#joined || !this.#timeline.advance(frame.rev)) return;
    this.#details.onChange(frame);
    if (frame.op === 'participants_removed') for (const user of frame.users ?? []) this.#receipts.drop(user);
    this.#host.onChange(frame);
    this.#host.onDetailChanged(this.cid);
    if (frame.op === 'participants_removed' && frame.users?.includes(this.#host.userId() ?? '')) return this.fail('not_participant');
    this.#changed();
  }

  onReceipt({ t, from, pos }: DownFrameOf<'delivered' | 'read'>): void {
    if (from !== this.#host.userId()) {
      if (this.#receipts.advance(from, t, pos)) this.#changed();
    } else if (t === 'read') {
      this.#toldRead = Math.max(this.#toldRead, pos);
      this.#raiseLastRead(pos);
    }
  }

  onTyping({ from, on }: DownFrameOf<'typing'>): void {
    if (this.#joined && from !== this.#host.userId()) this.#typingIn.set(from, on);
  }

  onBehind({ head }: DownFrameOf<'behind'>): void {
    this.#head = Math.max(this.#head, head);
    this.#changed();
  }

  /** Of the send queue. */
  onQueueChanged(): void {
    this.#prune();
    this.#changed();
  }

  /** A position was refused: it is told again. */
  onPositionError(t: string): void {
    if (t === 'ack') this.#toldAck = 0;
    else this.#toldRead = 0;
    this.#host.positionsChanged(this);
  }

  get hasPositionsToTell(): boolean {
    return this.#lastRead > this.#toldRead;
  }

  tellPositions(): void {
    const { loaded, newest } = this.#timeline;
    if (this.#joined && loaded && newest > this.#toldAck && this.#host.send({ t: 'ack', cid: this.cid, pos: newest }))
      this.#toldAck = newest;
    if (this.#lastRead > this.#toldRead && this.#host.send({ t: 'read', cid: this.cid, pos: this.#lastRead }))
      this.#toldRead = this.#lastRead;
  }

  markRead(seq: number = this.#timeline.newest): void {
    this.#raiseLastRead(Math.min(seq, this.#head));
    this.#host.positionsChanged(this);
  }

  #raiseLastRead(pos: number): void {
    if (pos <= this.#lastRead) return;
    this.#lastRead = pos;
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

  async #send({ kind = 'text', body, ...rest }: NewMessage): Promise<Message> {
    this.#typingOut.set(false);
    // A copy: what is sent again must be what was sent first.
    const { createdAt, ...fields } = structuredClone<OutboxItem>({
      ...rest,
      cid: this.cid,
      mid: ulid(),
      kind,
      body,
      createdAt: Date.now(),
    });
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
    this.#older ??= this.#loadOlder().finally(() => {
      this.#older = undefined;
    });
    return this.#older;
  }

  async #loadOlder(): Promise<void> {
    const load = this.#load;
    const { first, hasOlder } = this.#timeline;
    if (!hasOlder) return;
    const { items } = await this.#host.http.messages(this.cid, { before: first, limit: PAGE });
    if (load !== this.#load || !this.#timeline.loaded) return;
    if (!this.#timeline.prepend(items)) throw new GaplessError('internal', 'The page of history does not fit.');
    this.#changed();
  }

  async #loadNewest(): Promise<void> {
    const load = ++this.#load;
    this.#loading = true;
    const backoff = new Backoff();
    while (load === this.#load) {
      try {
        const { first } = this.#timeline;
        const page = first === 1 ? { items: [] } : this.#host.http.messages(this.cid, { before: first, limit: PAGE });
        const [{ items }] = await Promise.all([page, this.#details.fetch()]);
        if (load !== this.#load) return;
        if (!this.#timeline.prepend(items)) throw new GaplessError('internal', 'The page of history does not end at the head.');
        this.#loading = false;
        return this.#onLoaded();
      } catch (error) {
        if (load !== this.#load) return;
        const code = error instanceof GaplessError ? knownCode(error.code) : undefined;
        if (code !== undefined && ERRORS[code].retry === 'never') return this.fail(code);
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
  }

  #onLoaded(): void {
    const { messages } = this.#timeline;
    const userId = this.#host.userId();
    for (const { from, mid, seq, at } of messages) if (from === userId) this.#host.queue.settle(this.cid, mid, { seq, at });
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
    this.#joined = false;
    const rejoin = () => {
      this.#restartedAt = Date.now();
      if (this.wanted) this.#host.send({ t: 'join', ...this.joinRequest() });
    };
    const waitMs = this.#restartedAt + RESTART_MS - Date.now();
    clearTimeout(this.#restartTimer);
    if (waitMs > 0) this.#restartTimer = setTimeout(rejoin, waitMs);
    else rejoin();
    this.#changed();
  }

  #emitNew(): void {
    const { loaded, messages, first, newest } = this.#timeline;
    if (!loaded) return;
    for (const message of messages.slice(Math.max((this.#emitted ?? newest) + 1 - first, 0))) {
      this.#emitted = message.seq;
      this.#host.onMessage(this.#viewOfWire(message, () => 'sent'));
    }
  }

  /** Saved ones leave the queue when the timeline has them, or when nobody looks. */
  #prune(): void {
    for (const { saved, item } of this.#host.queue.entries(this.cid))
      if (saved !== undefined && (!this.wanted || (this.#timeline.loaded && saved.seq <= this.#timeline.newest)))
        this.#host.queue.forget(this.cid, item.mid);
  }

  #changed(): void {
    this.#snapshot.changed();
  }

  #viewOfWire(message: http.Message, statusOf: (seq: number) => Message['status']): Message {
    return message.from === this.#host.userId() ? this.#views.wire(message, statusOf(message.seq)) : this.#views.wire(message);
  }

  #build(): TimelineSnapshot {
    const { loaded, hasOlder, messages, newest } = this.#timeline;
    const { participants, complete, title, kind } = this.#details;
    const statusOf = this.#receipts.statusOf(
      participants.filter(({ userId }) => userId !== this.#host.userId()),
      complete,
    );
    return {
      messages: [
        ...(loaded ? messages.map((message) => this.#viewOfWire(message, statusOf)) : []),
        ...this.#unseen(loaded ? newest : undefined),
      ],
      loaded,
      hasOlder,
      head: this.#head,
      lastRead: this.#lastRead,
      unread: Math.max(0, this.#head - this.#lastRead),
      typing: this.#typingIn.users(),
      receipts: this.#receipts.positions,
      participants,
      ...(title === undefined ? {} : { title }),
      ...(kind === undefined ? {} : { kind }),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  /** The queue's: saved but not seen on the wire, by seq, then unsent. A seq shows only where it leaves no gap. */
  #unseen(newest: number | undefined): Message[] {
    const from = this.#host.userId() ?? '';
    const entries = [...this.#host.queue.entries(this.cid)];
    const saved = entries.filter((entry): entry is Entry & { saved: { seq: number } } => entry.saved !== undefined);
    let next = newest === undefined ? undefined : newest + 1;
    return [
      ...saved
        .sort((a, b) => a.saved.seq - b.saved.seq)
        .map((entry) => this.#views.entry(entry, from, entry.saved.seq === next ? next++ : undefined)),
      ...entries.filter((entry) => entry.saved === undefined).map((entry) => this.#views.entry(entry, from, undefined)),
    ];
  }
}
