import type { ConversationKind, Role } from '@gapless/protocol';
import { ChatError } from './errors.ts';
import type { Committed } from './events.ts';
import type { LogEntry } from './model.ts';
import type { ConversationReads } from './ports/store.ts';

export interface Member {
  readonly role: Role;
  lastRead: number;
}

/** A conversation as this process knows it: enough to check rights and to count unread without a query. */
export interface Known {
  readonly cid: string;
  readonly kind: ConversationKind;
  head: number;
  readonly members: Map<string, Member>;
  /** Used since the last sweep of the cache. */
  touched: boolean;
}

/** Members of all cached conversations together: some 100 MB. */
const MEMBERS_MAX = 500_000;

/**
 * Cache of conversations and their participants. Loaded on first use and kept true by the commits of this process, so that the send
 * path reads no member row: work per change of membership, not per message.
 */
export class Directory {
  readonly #store: Pick<ConversationReads, 'conversation' | 'participants'>;
  readonly #known = new Map<string, Known>();
  readonly #loading = new Map<string, { promise: Promise<Known>; stale: boolean }>();
  readonly #membersMax: number;
  #members = 0;
  /** Removals under way, by `cid uid`. */
  readonly #suspended = new Map<string, number>();

  constructor(store: Pick<ConversationReads, 'conversation' | 'participants'>, options: { membersMax?: number } = {}) {
    this.#store = store;
    this.#membersMax = options.membersMax ?? MEMBERS_MAX;
  }

  /** The conversation if it is cached. */
  peek(cid: string): Known | undefined {
    const known = this.#known.get(cid);
    if (known !== undefined) known.touched = true;
    return known;
  }

  /** @throws ChatError not_participant  when there is no such conversation */
  load(cid: string): Promise<Known> {
    const known = this.peek(cid);
    if (known !== undefined) return Promise.resolve(known);
    const current = this.#loading.get(cid);
    if (current !== undefined) return current.promise;
    const state = { promise: undefined as unknown as Promise<Known>, stale: false };
    state.promise = this.#read(cid, state).finally(() => this.#loading.delete(cid));
    this.#loading.set(cid, state);
    return state.promise;
  }

  /** The user's place in the conversation. @throws ChatError not_participant */
  async require(uid: string, cid: string): Promise<Member> {
    const member = (this.peek(cid) ?? (await this.load(cid))).members.get(uid);
    if (member === undefined || this.isSuspended(cid, uid)) throw new ChatError('not_participant');
    return member;
  }

  /** Takes a user's rights away while their removal is being committed: no send of theirs may be let in behind it. */
  async suspended<T>(cid: string, uid: string, removal: () => Promise<T>): Promise<T> {
    const key = `${cid} ${uid}`;
    this.#suspended.set(key, (this.#suspended.get(key) ?? 0) + 1);
    try {
      return await removal();
    } finally {
      const left = this.#suspended.get(key)! - 1;
      if (left > 0) this.#suspended.set(key, left);
      else this.#suspended.delete(key);
    }
  }

  isSuspended(cid: string, uid: string): boolean {
    return this.#suspended.size > 0 && this.#suspended.has(`${cid} ${uid}`);
  }

  /** Applies a committed batch. */
  apply({ entries, receipts }: Committed): void {
    for (const entry of entries) {
      const known = this.#of(entry.cid);
      if (known !== undefined) this.#applyEntry(known, entry);
    }
    for (const { op, cid, uid, pos } of receipts) {
      const member = op === 'read' ? this.#of(cid)?.members.get(uid) : undefined;
      if (member !== undefined) member.lastRead = Math.max(member.lastRead, pos);
    }
  }

  /** The cached conversation; one that is being loaded is loaded again, since the read may be older than the commit. */
  #of(cid: string): Known | undefined {
    const loading = this.#loading.get(cid);
    if (loading !== undefined) loading.stale = true;
    return this.#known.get(cid);
  }

  #applyEntry(known: Known, entry: LogEntry): void {
    if (entry.op === 'message') {
      known.head = Math.max(known.head, entry.message.seq);
      const sender = known.members.get(entry.message.from);
      if (sender !== undefined) sender.lastRead = Math.max(sender.lastRead, entry.message.seq);
      return;
    }
    const { detail } = entry;
    const before = known.members.size;
    if (detail.op === 'participants_added') for (const uid of detail.users) known.members.set(uid, { role: detail.role, lastRead: 0 });
    if (detail.op === 'participants_removed') for (const uid of detail.users) known.members.delete(uid);
    this.#members += known.members.size - before;
  }

  async #read(cid: string, state: { stale: boolean }): Promise<Known> {
    for (;;) {
      state.stale = false;
      const [record, participants] = await Promise.all([this.#store.conversation(cid), this.#store.participants(cid)]);
      if (state.stale) continue;
      if (record === undefined) throw new ChatError('not_participant');
      const members = new Map(participants.map(({ uid, role, lastRead }) => [uid, { role, lastRead }]));
      const known: Known = { cid, kind: record.kind, head: record.head, members, touched: true };
      this.#known.set(cid, known);
      this.#members += members.size;
      this.#evict();
      return known;
    }
  }

  /** Second chance: what was used since it was last looked at goes to the end of the line. */
  #evict(): void {
    for (const [cid, known] of this.#known) {
      if (this.#members <= this.#membersMax || this.#known.size === 1) return;
      this.#known.delete(cid);
      if (known.touched) {
        known.touched = false;
        this.#known.set(cid, known);
      } else this.#members -= known.members.size;
    }
  }
}
