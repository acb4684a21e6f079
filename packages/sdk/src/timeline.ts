import type { DownFrameOf, http } from '@gapless/protocol';

type WireMessage = http.Message;

/** Of a message that only holds the place of a number: the one that had it was lost before it was saved. */
export const LOST = 'lost';

/** What became of a message from the wire. `gap`: something before it is missing, and it was not taken. */
export type Accepted = 'new' | 'replaced' | 'known' | 'gap';

/**
 * The loaded messages of one conversation: one unbroken run of seqs that ends at the newest.
 *
 * 1. `start` at the head of a join: live messages count from there, whatever the history takes.
 * 2. `prepend` puts the newest page before them, and later older pages. The run stays unbroken.
 * 3. A message that comes again, or changed, replaces the one with its seq if its rev is newer.
 * 4. `lose` leaves the seq and takes the message: its mid may come again under another seq.
 */
export class Timeline {
  #messages: WireMessage[] = [];
  /** Changed while the page that holds it was on its way: whichever has the newer rev stays. */
  readonly #early = new Map<number, WireMessage>();
  /** The first page is in. */
  loaded = false;
  /** Newest seq up to which nothing is missing. */
  newest = 0;
  /** Newest seq that is known to be saved; so are all before it. */
  saved = 0;
  /** Newest rev seen: where a reconnect resumes. Undefined before the first join. */
  rev: number | undefined;
  #exhausted = false;

  get messages(): readonly WireMessage[] {
    return this.#messages;
  }

  get hasOlder(): boolean {
    return this.loaded && !this.#exhausted && this.first > 1;
  }

  /** Of what is loaded; one after the newest when nothing is. */
  get first(): number {
    return this.#messages[0]?.seq ?? this.newest + 1;
  }

  start({ head, rev }: { head: number; rev: number }): void {
    this.clear();
    this.newest = head;
    this.rev = rev;
  }

  clear(): void {
    this.#messages = [];
    this.#early.clear();
    this.loaded = false;
    this.#exhausted = false;
    this.newest = 0;
    this.saved = 0;
    this.rev = undefined;
  }

  /** A rev that was seen. False when it was seen before. */
  advance(rev: number): boolean {
    if (rev <= (this.rev ?? 0)) return false;
    this.rev = rev;
    return true;
  }

  savedUpTo(seq: number): void {
    this.saved = Math.max(this.saved, seq);
  }

  accept(message: WireMessage): Accepted {
    const { seq, rev } = message;
    if (seq > this.newest + 1) return 'gap';
    this.advance(rev);
    const isNew = seq === this.newest + 1;
    if (isNew) this.#messages.push(this.#only(message));
    if (message.stage === undefined) this.savedUpTo(seq);
    if (!isNew) return this.#replace(message);
    this.newest = seq;
    return 'new';
  }

  /** A mid stands here once: where it does already, one of the two is void, and `lost` will say so. The saved one stays, else the new one. */
  #only(message: WireMessage): WireMessage {
    if (message.stage === undefined && this.saved === this.newest) return message;
    const twin = this.#messages.findLast(({ mid }) => mid === message.mid);
    if (twin === undefined) return message;
    if (twin.stage === undefined) return lostOf(message);
    this.#messages[twin.seq - this.first] = lostOf(twin);
    return message;
  }

  /** What was shown under these seqs is void. */
  lose({ cid, seqs = [], rev, at }: DownFrameOf<'change'>): void {
    for (const seq of seqs) if (seq <= this.newest) this.#replace(lostOf({ cid, seq, rev, at }));
  }

  #replace(message: WireMessage): Accepted {
    const { seq, rev } = message;
    const index = seq - this.first;
    if (index < 0) {
      if (rev >= (this.#early.get(seq)?.rev ?? 0)) this.#early.set(seq, message);
      return 'known';
    }
    if (rev <= this.#messages[index]!.rev) return 'known';
    this.#messages[index] = message;
    return 'replaced';
  }

  /** A page of history, ascending, that ends where the run begins. False when it does not: the page is of no use. */
  prepend(page: readonly WireMessage[]): boolean {
    const older: WireMessage[] = [];
    let expected = this.first - 1;
    for (const message of page.toReversed()) {
      if (message.seq > expected) continue;
      if (message.seq < expected) break;
      const early = this.#early.get(expected);
      older.push(early !== undefined && early.rev > message.rev ? early : message);
      expected--;
    }
    if (older.length === 0 && page.length > 0) return false;
    this.#exhausted = older.length === 0;
    this.#early.clear();
    this.#messages = [...older.reverse(), ...this.#messages];
    this.loaded = true;
    return true;
  }
}

function lostOf({ cid, seq, rev, at }: Pick<WireMessage, 'cid' | 'seq' | 'rev' | 'at'>): WireMessage {
  return { cid, seq, rev, mid: `lost-${seq}`, from: 'system', at, kind: LOST, body: {}, recalledAt: at };
}
