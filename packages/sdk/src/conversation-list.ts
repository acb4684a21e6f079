import type { DownFrameOf, http } from '@gapless/protocol';
import { Backoff } from './backoff.ts';
import { GaplessError } from './errors.ts';
import { Derived } from './observable.ts';
import type { ConversationList, ConversationListSnapshot, ConversationSummary, HttpApi } from './types.ts';

const PAGE = 50;
/** Between two rounds of asking for conversations that changed, and how many in one round. */
const REFETCH_MS = 500;
const REFETCH_AT_ONCE = 4;
/** Answers that may be older than what was told before: a message is told some moments before it is saved, at times. */
const BEHIND_TRIES_MAX = 10;

/**
 * The user's conversations, newest activity first.
 *
 * - Pages come over HTTP; as many again after each reconnect as were there. Frames keep the counts, joined conversations their messages.
 * - `head` and `lastRead` only grow, whichever of page and frame is newer, and `unread` is what lies between.
 * - What only the server knows of a conversation that is not joined (last message, title) is asked for, a few at a time.
 */
export class LiveConversationList implements ConversationList {
  readonly #http: HttpApi;
  readonly #items = new Map<string, ConversationSummary>();
  /** Rev of the newest answer of the server about each. */
  readonly #asOf = new Map<string, number>();
  readonly #stale = new Set<string>();
  /** Of those that are asked for again, how often they were. */
  readonly #behind = new Map<string, number>();
  #refetchTimer: ReturnType<typeof setTimeout> | undefined;
  #loaded = false;
  #next: string | undefined;
  #more: Promise<void> | undefined;
  /** Of the running reload; raising it ends that. */
  #reload = 0;
  /** Removed while a page was on its way, which may still have them. */
  readonly #removed = new Set<string>();
  /** Came or moved while pages were on their way, which may not have them. */
  readonly #touched = new Set<string>();
  readonly #snapshot: Derived<ConversationListSnapshot> = new Derived(() => ({
    items: [...this.#items.values()].sort((a, b) => b.updatedAt - a.updatedAt || (a.cid < b.cid ? -1 : 1)),
    loaded: this.#loaded,
    hasMore: this.#next !== undefined,
  }));

  constructor(http: HttpApi) {
    this.#http = http;
  }

  readonly subscribe = (listener: () => void): (() => void) => this.#snapshot.subscribe(listener);
  readonly getSnapshot = (): ConversationListSnapshot => this.#snapshot.getSnapshot();

  loadMore(): Promise<void> {
    this.#more ??= this.#loadMore().finally(() => {
      this.#more = undefined;
    });
    return this.#more;
  }

  async #loadMore(): Promise<void> {
    const cursor = this.#next;
    if (cursor === undefined) return;
    const page = await this.#http.conversations({ cursor, limit: PAGE });
    // A reload meanwhile began the list anew.
    if (cursor !== this.#next) return;
    for (const item of page.items) this.#merge(item);
    this.#next = page.next;
    this.#snapshot.changed();
  }

  /** From the first page to the last row that is here, until it works. */
  async reload(): Promise<void> {
    const reload = ++this.#reload;
    this.#removed.clear();
    this.#touched.clear();
    const fresh: ConversationSummary[] = [];
    const backoff = new Backoff();
    // What came on top meanwhile pushes the last rows onto one more page.
    let pagesLeft = Math.ceil(this.#items.size / PAGE) + 1;
    let cursor: string | undefined;
    while (reload === this.#reload) {
      try {
        const page = await this.#http.conversations({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
        if (reload !== this.#reload) return;
        fresh.push(...page.items);
        cursor = page.next;
        for (const item of page.items) if (!this.#removed.has(item.cid)) this.#merge(item);
        const complete = !this.#loaded || cursor === undefined || --pagesLeft === 0 || this.#covered(fresh);
        if (complete) return this.#replace(fresh, cursor);
      } catch {
        await backoff.sleep();
      }
    }
  }

  /** After a connection took over from another: only what that one still had on its way may be missing, and it is on top. */
  async refresh(): Promise<void> {
    if (!this.#loaded) return;
    const reload = this.#reload;
    const page = await this.#http.conversations({ limit: PAGE }).catch(() => undefined);
    if (page === undefined || reload !== this.#reload) return;
    for (const item of page.items) if (!this.#removed.has(item.cid)) this.#merge(item);
  }

  /** Whether nothing that is here lies behind the fresh ones. */
  #covered(fresh: readonly ConversationSummary[]): boolean {
    const cids = new Set(fresh.map(({ cid }) => cid));
    const reachesTo = reach(fresh);
    return [...this.#items.values()].every(({ cid, updatedAt }) => cids.has(cid) || updatedAt > reachesTo);
  }

  stop(): void {
    this.#reload++;
    clearTimeout(this.#refetchTimer);
    this.#refetchTimer = undefined;
  }

  /** What the server did not name again is gone, or lies behind `next`. */
  #replace(fresh: readonly ConversationSummary[], next: string | undefined): void {
    const cids = new Set(fresh.map(({ cid }) => cid));
    for (const cid of this.#items.keys()) if (!cids.has(cid) && !this.#stale.has(cid) && !this.#touched.has(cid)) this.#items.delete(cid);
    this.#next = next;
    this.#loaded = true;
    this.#snapshot.changed();
    if (this.#stale.size > 0) this.#schedule();
  }

  /** `joined`: the conversation's own frames say the rest, nothing is asked for. */
  onFrame({ op, cid, head, unread }: DownFrameOf<'conversation'>, { joined }: { joined: boolean }): void {
    if (op === 'removed') return this.remove(cid);
    this.#removed.delete(cid);
    this.#touched.add(cid);
    const known = this.#items.get(cid);
    if (known !== undefined) this.#set({ ...known, head: Math.max(known.head, head), lastRead: Math.max(known.lastRead, head - unread) });
    const onlyRead = known !== undefined && head <= known.head && head - unread > known.lastRead;
    if (!onlyRead && !(joined && known !== undefined)) this.refetch(cid);
  }

  /** A message of a joined conversation: new, or the newest in a new state. */
  onActivity(cid: string, { rev, ...message }: http.Message): void {
    const known = this.#items.get(cid);
    if (known === undefined) return this.refetch(cid);
    this.#touched.add(cid);
    const { seq, at } = message;
    const last = known.lastMessage;
    const isNewer = last === undefined || seq > last.seq || (seq === last.seq && rev > last.rev);
    if (!isNewer) return;
    this.#set({
      ...known,
      head: Math.max(known.head, seq),
      rev: Math.max(known.rev, rev),
      updatedAt: Math.max(known.updatedAt, at),
      lastMessage: withoutType({ ...message, rev }),
    });
  }

  /** Of a joined conversation whose messages do not come by themselves. */
  onHead({ cid, head }: DownFrameOf<'head'>): void {
    const known = this.#items.get(cid);
    if (known !== undefined && head > known.head) this.#set({ ...known, head });
  }

  onRead(cid: string, lastRead: number): void {
    const known = this.#items.get(cid);
    if (known !== undefined && lastRead > known.lastRead) this.#set({ ...known, lastRead });
  }

  remove(cid: string): void {
    this.#removed.add(cid);
    this.#stale.delete(cid);
    this.#touched.delete(cid);
    if (this.#items.delete(cid)) this.#snapshot.changed();
  }

  /** Asks for this one again, soon. */
  refetch(cid: string): void {
    this.#stale.add(cid);
    this.#schedule();
  }

  /** An answer that somebody else has asked for: a page of the list may be older. */
  onDetail(detail: http.ConversationDetail): void {
    if (!this.#removed.has(detail.cid)) this.insert(detail);
  }

  /** What the server gave for one conversation. */
  insert(detail: http.ConversationDetail): void {
    const { participants: _, ...item } = detail;
    this.#removed.delete(item.cid);
    this.#touched.add(item.cid);
    this.#merge(item);
    this.#snapshot.changed();
  }

  #schedule(): void {
    // The first at once; then rounds.
    this.#refetchTimer ??= setTimeout(() => void this.#round(), 0);
  }

  async #round(): Promise<void> {
    const cids = [...this.#stale].slice(0, REFETCH_AT_ONCE);
    const timer = this.#refetchTimer;
    await Promise.all(
      cids.map(async (cid) => {
        this.#stale.delete(cid);
        try {
          const detail = await this.#http.conversation(cid);
          if (!this.#removed.has(cid)) this.#take(detail);
        } catch (error) {
          // Not ours any more; anything else is tried again in the next round.
          if (error instanceof GaplessError && error.status === 403) this.remove(cid);
          else if (!this.#removed.has(cid)) this.#stale.add(cid);
        }
      }),
    );
    // Stopped meanwhile.
    if (timer !== this.#refetchTimer) return;
    this.#refetchTimer = setTimeout(() => {
      this.#refetchTimer = undefined;
      if (this.#stale.size > 0) this.#schedule();
    }, REFETCH_MS);
  }

  /** An answer that does not know yet what a frame has told is asked for again, some times. */
  #take(detail: http.ConversationDetail): void {
    this.insert(detail);
    const { cid, head } = detail;
    const tries = (this.#behind.get(cid) ?? 0) + 1;
    this.#behind.delete(cid);
    if (head >= this.#items.get(cid)!.head || tries >= BEHIND_TRIES_MAX) return;
    this.#behind.set(cid, tries);
    this.#stale.add(cid);
  }

  #merge(item: ConversationSummary): void {
    const known = this.#items.get(item.cid);
    const asOf = known === undefined ? 0 : (this.#asOf.get(item.cid) ?? 0);
    this.#asOf.set(item.cid, Math.max(item.rev, asOf));
    if (known === undefined) return this.#set(item);
    const last = known.lastMessage;
    const { lastMessage = last, ...rest } = item;
    // A frame may have been quicker than the page.
    const newest = last !== undefined && lastMessage !== undefined && last.rev > lastMessage.rev ? last : lastMessage;
    this.#set({
      // Answers may come in another order than they were given.
      ...(item.rev < asOf ? known : rest),
      head: Math.max(item.head, known.head),
      rev: Math.max(item.rev, known.rev),
      lastRead: Math.max(item.lastRead, known.lastRead),
      updatedAt: Math.max(item.updatedAt, known.updatedAt),
      ...(newest === undefined ? {} : { lastMessage: newest }),
    });
  }

  #set({ saved: _, ...item }: http.Conversation): void {
    this.#items.set(item.cid, { ...item, unread: Math.max(0, item.head - item.lastRead) });
    this.#snapshot.changed();
  }
}

/** When the oldest of them was active. */
function reach(items: readonly ConversationSummary[]): number {
  return items.at(-1)?.updatedAt ?? Number.NEGATIVE_INFINITY;
}

function withoutType(message: http.Message & { t?: string }): http.Message {
  const { t: _, ...fields } = message;
  return fields;
}
