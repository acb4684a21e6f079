import type { DownFrameOf, http } from '@gapless/protocol';
import { Backoff } from './backoff.ts';
import { GaplessError } from './errors.ts';
import { Derived } from './observable.ts';
import type { ConversationList, ConversationListSnapshot, ConversationSummary, HttpApi } from './types.ts';

const PAGE = 50;
/** Between two rounds of asking for conversations that changed, and how many in one round. */
const REFETCH_MS = 500;
const REFETCH_AT_ONCE = 4;

/**
 * The user's conversations, newest activity first.
 *
 * - Pages come over HTTP; the first again after each reconnect. Frames keep the counts, joined conversations their messages.
 * - `head` and `lastRead` only grow, whichever of page and frame is newer, and `unread` is what lies between.
 * - What only the server knows of a conversation that is not joined (last message, title) is asked for, a few at a time.
 */
export class LiveConversationList implements ConversationList {
  readonly #http: HttpApi;
  readonly #items = new Map<string, ConversationSummary>();
  readonly #stale = new Set<string>();
  #refetchTimer: ReturnType<typeof setTimeout> | undefined;
  #loaded = false;
  #next: string | undefined;
  #more: Promise<void> | undefined;
  /** Of the running reload; raising it ends that. */
  #reload = 0;
  /** Removed while a page was on its way, which may still have them. */
  readonly #removed = new Set<string>();
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

  /** The first page, until it works. */
  async reload(): Promise<void> {
    const reload = ++this.#reload;
    const backoff = new Backoff();
    this.#removed.clear();
    while (reload === this.#reload) {
      try {
        const page = await this.#http.conversations({ limit: PAGE });
        if (reload === this.#reload) this.#firstPage(page);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
  }

  stop(): void {
    this.#reload++;
    clearTimeout(this.#refetchTimer);
    this.#refetchTimer = undefined;
  }

  #firstPage(page: http.ConversationPage): void {
    // One that did not move: what lies behind it is what lay behind it before.
    const overlaps = page.items.some(({ cid, updatedAt }) => this.#items.get(cid)?.updatedAt === updatedAt);
    if (!this.#loaded || !overlaps || page.next === undefined) this.#next = page.next;
    const fresh = new Set(page.items.map(({ cid }) => cid));
    const reachesTo = page.next === undefined ? Number.NEGATIVE_INFINITY : (page.items.at(-1)?.updatedAt ?? Number.NEGATIVE_INFINITY);
    // Where the page reaches and does not have it, it is gone; where nothing joins the page to the rest, the rest is asked for again.
    for (const { cid, updatedAt } of this.#items.values())
      if (!fresh.has(cid) && !this.#stale.has(cid) && (updatedAt > reachesTo || !overlaps)) this.#items.delete(cid);
    for (const item of page.items) if (!this.#removed.has(item.cid)) this.#merge(item);
    this.#loaded = true;
    this.#snapshot.changed();
    if (this.#stale.size > 0) this.#schedule();
  }

  /** `joined`: the conversation's own frames say the rest, nothing is asked for. */
  onFrame({ op, cid, head, unread }: DownFrameOf<'conversation'>, { joined }: { joined: boolean }): void {
    if (op === 'removed') return this.remove(cid);
    this.#removed.delete(cid);
    const known = this.#items.get(cid);
    if (known !== undefined) this.#set({ ...known, head: Math.max(known.head, head), lastRead: Math.max(known.lastRead, head - unread) });
    const onlyRead = known !== undefined && head <= known.head && head - unread > known.lastRead;
    if (!onlyRead && !(joined && known !== undefined)) this.refetch(cid);
  }

  /** A message of a joined conversation: new, or the newest in a new state. */
  onActivity(cid: string, { rev, ...message }: http.Message): void {
    const known = this.#items.get(cid);
    if (known === undefined) return this.refetch(cid);
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

  onRead(cid: string, lastRead: number): void {
    const known = this.#items.get(cid);
    if (known !== undefined && lastRead > known.lastRead) this.#set({ ...known, lastRead });
  }

  remove(cid: string): void {
    this.#removed.add(cid);
    this.#stale.delete(cid);
    if (this.#items.delete(cid)) this.#snapshot.changed();
  }

  /** Asks for this one again, soon. */
  refetch(cid: string): void {
    this.#stale.add(cid);
    this.#schedule();
  }

  /** What the server gave for one conversation. */
  insert(detail: http.ConversationDetail): void {
    const { participants: _, ...item } = detail;
    this.#removed.delete(item.cid);
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
          if (!this.#removed.has(cid)) this.insert(detail);
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

  #merge(item: ConversationSummary): void {
    const known = this.#items.get(item.cid);
    if (known === undefined) return this.#set(item);
    const last = known.lastMessage;
    const { lastMessage = last, ...rest } = item;
    // A frame may have been quicker than the page.
    const newest = last !== undefined && lastMessage !== undefined && last.rev > lastMessage.rev ? last : lastMessage;
    this.#set({
      ...rest,
      head: Math.max(item.head, known.head),
      rev: Math.max(item.rev, known.rev),
      lastRead: Math.max(item.lastRead, known.lastRead),
      updatedAt: Math.max(item.updatedAt, known.updatedAt),
      ...(newest === undefined ? {} : { lastMessage: newest }),
    });
  }

  #set(item: ConversationSummary): void {
    this.#items.set(item.cid, { ...item, unread: Math.max(0, item.head - item.lastRead) });
    this.#snapshot.changed();
  }
}

function withoutType(message: http.Message & { t?: string }): http.Message {
  const { t: _, ...fields } = message;
  return fields;
}
