import { type Clock, systemClock } from '@gapless/kit';
import type { ConversationKind, Role } from '@gapless/protocol';
import { ChatError } from './errors.ts';
import type { Committed, CommittedEntry, Receipt } from './events.ts';
import type { ConversationReads, Rights } from './ports/store.ts';

export interface Member {
  readonly role: Role;
  lastRead: number;
}

/** A conversation as this process knows it: enough to check rights and to count unread without a query. */
export interface Known {
  readonly cid: string;
  readonly kind: ConversationKind;
  head: number;
  membersRev: number;
  readonly members: Map<string, Member>;
  readonly loadedAt: number;
  /** Used since the last sweep of the cache. */
  touched: boolean;
}

/** Members of all cached conversations together: some 100 MB. */
const MEMBERS_MAX = 500_000;

/** A refusal from the cache is looked up again where another node may have let the user in, but not more often than this. */
const REFUSED_AGAIN_MS = 1_000;

export interface DirectoryOptions {
  membersMax?: number;
  /** Other processes write to the store too: participants are read again after each change, and every command says what its rights rest on. */
  shared?: boolean;
  clock?: Clock;
}

interface Loading {
  promise: Promise<Known>;
  /** The participants changed since it began: what it reads may be older. */
  stale: boolean;
  /** To be applied to what it reads: they only move on. */
  readonly moved: Moved[];
}

type Moved = (CommittedEntry & { op: 'message' }) | Receipt;

/**
 * Cache of conversations and their participants. Loaded on first use and kept true by what is committed, so that the send path reads no
 * member row: work per change of membership, not per message.
 */
export class Directory {
  readonly #store: Pick<ConversationReads, 'conversation' | 'participants'>;
  readonly #known = new Map<string, Known>();
  readonly #loading = new Map<string, Loading>();
  readonly #membersMax: number;
  readonly #shared: boolean;
  readonly #clock: Clock;
  #members = 0;
  /** Removals under way, by `cid uid`. */
  readonly #suspended = new Map<string, number>();

  constructor(store: Pick<ConversationReads, 'conversation' | 'participants'>, options: DirectoryOptions = {}) {
    this.#store = store;
    this.#membersMax = options.membersMax ?? MEMBERS_MAX;
    this.#shared = options.shared ?? false;
    this.#clock = options.clock ?? systemClock;
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
    const state: Loading = { promise: undefined as unknown as Promise<Known>, stale: false, moved: [] };
    state.promise = this.#read(cid, state).finally(() => this.#loading.delete(cid));
    this.#loading.set(cid, state);
    return state.promise;
  }

  /** The user's place in the conversation. @throws ChatError not_participant */
  async require(uid: string, cid: string): Promise<Member> {
    let known = this.peek(cid) ?? (await this.load(cid));
    if (!known.members.has(uid) && this.isDoubtful(known)) known = await this.reload(known);
    const member = known.members.get(uid);
    if (member === undefined || this.isSuspended(cid, uid)) throw new ChatError('not_participant');
    return member;
  }

  /** What a command says of its caller's rights. */
  rights({ membersRev }: Known): Rights {
    return this.#shared ? { membersRev } : {};
  }

  /** Whether someone who is not in it may have been let in by another node since. */
  isDoubtful({ loadedAt }: Known): boolean {
    return this.#shared && this.#clock.now() - loadedAt >= REFUSED_AGAIN_MS;
  }

  /** Reads it anew, unless that was done since. */
  reload(known: Known): Promise<Known> {
    if (this.#known.get(known.cid) === known) this.#forget(known);
    return this.load(known.cid);
  }

  /** Something of the conversation was missed: what was cached of it is read again. */
  suspect(cid: string): void {
    const known = this.#known.get(cid);
    if (known !== undefined) void this.reload(known).catch(() => {});
    const loading = this.#loading.get(cid);
    if (loading !== undefined) loading.stale = true;
  }

  /** Everything may have been missed. */
  suspectAll(): void {
    for (const loading of this.#loading.values()) loading.stale = true;
    this.#known.clear();
    this.#members = 0;
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
      if (entry.op === 'message') this.#move(entry);
      else if (entry.detail.op === 'participants_added' || entry.detail.op === 'participants_removed') this.#change(entry);
    }
    for (const receipt of receipts) if (receipt.op === 'read') this.#move(receipt);
  }

  #move(moved: Moved): void {
    this.#loading.get(moved.cid)?.moved.push(moved);
    const known = this.#known.get(moved.cid);
    if (known !== undefined) applyMoved(known, moved);
  }

  #change({ cid, rev, detail }: CommittedEntry & { op: 'change' }): void {
    // Of several processes' changes one may be missing or late: the store has them all.
    if (this.#shared) return this.suspect(cid);
    const loading = this.#loading.get(cid);
    if (loading !== undefined) loading.stale = true;
    const known = this.#known.get(cid);
    if (known === undefined) return;
    const before = known.members.size;
    if (detail.op === 'participants_added') for (const uid of detail.users) known.members.set(uid, { role: detail.role, lastRead: 0 });
    if (detail.op === 'participants_removed') for (const uid of detail.users) known.members.delete(uid);
    known.membersRev = rev;
    this.#members += known.members.size - before;
  }

  async #read(cid: string, state: Loading): Promise<Known> {
    for (;;) {
      state.stale = false;
      const loadedAt = this.#clock.now();
      // The participants second: they are never older than the rev that stands for them.
      const record = await this.#store.conversation(cid);
      if (record === undefined) throw new ChatError('not_participant');
      const participants = await this.#store.participants(cid);
      if (state.stale) continue;
      const members = new Map(participants.map(({ uid, role, lastRead }) => [uid, { role, lastRead }]));
      const known: Known = { cid, kind: record.kind, head: record.head, membersRev: record.membersRev, members, loadedAt, touched: true };
      for (const moved of state.moved) applyMoved(known, moved);
      this.#known.set(cid, known);
      this.#members += members.size;
      this.#evict();
      return known;
    }
  }

  #forget(known: Known): void {
    this.#known.delete(known.cid);
    this.#members -= known.members.size;
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

function applyMoved(known: Known, moved: Moved): void {
  const [uid, pos] = moved.op === 'message' ? [moved.from, moved.seq] : [moved.uid, moved.pos];
  if (moved.op === 'message') known.head = Math.max(known.head, moved.seq);
  // Sending reads.
  const member = known.members.get(uid);
  if (member !== undefined) member.lastRead = Math.max(member.lastRead, pos);
}
