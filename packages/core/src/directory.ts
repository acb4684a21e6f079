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
  /** Another process may have changed the participants since. */
  doubtful: boolean;
  /** Used since the last sweep of the cache. */
  touched: boolean;
}

/** Members of all cached conversations together: some 100 MB. */
const MEMBERS_MAX = 500_000;

/** A conversation whose participants change while it is read is read again, so often. Rights are compared in the commit all the same. */
const READS_MAX = 5;

export interface DirectoryOptions {
  membersMax?: number;
  /** Other processes write to the store too: what is cached may be behind, and every command says what its rights rest on. */
  shared?: boolean;
}

interface Loading {
  promise: Promise<Known>;
  /** The newest change of participants that was heard of since it began. */
  membersRev: number;
  /** Something unknown changed since it began. */
  doubtful: boolean;
  /** To be applied to what it reads: they only move on. */
  readonly moved: Moved[];
}

type Moved = (CommittedEntry & { op: 'message' }) | Receipt;
type DirectoryReads = Pick<ConversationReads, 'conversation' | 'participants' | 'heads'>;

/**
 * Cache of conversations and their participants. Loaded on first use and kept true by what is committed, so that the send path reads no
 * member row: work per change of membership, not per message.
 */
export class Directory {
  readonly #store: DirectoryReads;
  readonly #known = new Map<string, Known>();
  readonly #loading = new Map<string, Loading>();
  readonly #membersMax: number;
  readonly #shared: boolean;
  #members = 0;
  /** Removals under way, by `cid uid`. */
  readonly #suspended = new Map<string, number>();

  constructor(store: DirectoryReads, options: DirectoryOptions = {}) {
    this.#store = store;
    this.#membersMax = options.membersMax ?? MEMBERS_MAX;
    this.#shared = options.shared ?? false;
  }

  /** The conversation if it is cached; `doubtful` says whether it may be behind. */
  peek(cid: string): Known | undefined {
    const known = this.#known.get(cid);
    if (known !== undefined) known.touched = true;
    return known;
  }

  /** @throws ChatError not_participant  when there is no such conversation */
  load(cid: string): Promise<Known> {
    const known = this.peek(cid);
    if (known !== undefined && !known.doubtful) return Promise.resolve(known);
    const current = this.#loading.get(cid);
    if (current !== undefined) return current.promise;
    const state: Loading = { promise: undefined as unknown as Promise<Known>, membersRev: 0, doubtful: false, moved: [] };
    state.promise = this.#read(cid, state).finally(() => this.#loading.delete(cid));
    this.#loading.set(cid, state);
    return state.promise;
  }

  /** The user's place in the conversation. @throws ChatError not_participant */
  async require(uid: string, cid: string): Promise<Member> {
    const cached = this.peek(cid);
    const known = cached?.doubtful === false ? cached : await this.load(cid);
    const member = known.members.get(uid) ?? (await this.lookAgain(known, uid))?.members.get(uid);
    if (member === undefined || this.isSuspended(cid, uid)) throw new ChatError('not_participant');
    return member;
  }

  /** What a command says of its caller's rights. */
  rights({ membersRev }: Known): Rights {
    return this.#shared ? { membersRev } : {};
  }

  /** For who is no participant as far as is known: the conversation anew, where another process has let the user in since. */
  async lookAgain(known: Known, uid: string): Promise<Known | undefined> {
    if (!this.#shared) return undefined;
    const [head] = await this.#store.heads(uid, [known.cid]);
    if (head === undefined) return undefined;
    this.suspect(known.cid);
    return this.load(known.cid);
  }

  /** Another process may have changed the participants: they are read again before they are used for more than notices. */
  suspect(cid: string): void {
    const known = this.#known.get(cid);
    if (known !== undefined) known.doubtful = true;
    const loading = this.#loading.get(cid);
    if (loading !== undefined) loading.doubtful = true;
  }

  suspectAll(): void {
    for (const known of this.#known.values()) known.doubtful = true;
    for (const loading of this.#loading.values()) loading.doubtful = true;
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

  /** A read position that the store has, and of which this process may not have been told yet. */
  sawRead(cid: string, uid: string, pos: number): void {
    const member = this.#known.get(cid)?.members.get(uid);
    if (member !== undefined) member.lastRead = Math.max(member.lastRead, pos);
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
    const loading = this.#loading.get(cid);
    if (loading !== undefined) loading.membersRev = Math.max(loading.membersRev, rev);
    const known = this.#known.get(cid);
    if (known === undefined || rev <= known.membersRev) return;
    // Of several processes' changes one may be missing or late: the store has them all.
    if (this.#shared) {
      known.doubtful = true;
      return;
    }
    const before = known.members.size;
    if (detail.op === 'participants_added') for (const uid of detail.users) known.members.set(uid, { role: detail.role, lastRead: 0 });
    if (detail.op === 'participants_removed') for (const uid of detail.users) known.members.delete(uid);
    known.membersRev = rev;
    this.#members += known.members.size - before;
  }

  async #read(cid: string, state: Loading): Promise<Known> {
    for (let reads = 1; ; reads++) {
      state.doubtful = false;
      // The participants second: they are never older than the rev that stands for them.
      const record = await this.#store.conversation(cid);
      if (record === undefined) throw new ChatError('not_participant');
      const participants = await this.#store.participants(cid);
      const isBehind = state.doubtful || record.membersRev < state.membersRev;
      if (isBehind && reads < READS_MAX) continue;
      const members = new Map(participants.map(({ uid, role, lastRead }) => [uid, { role, lastRead }]));
      const { kind, head, membersRev } = record;
      const known: Known = { cid, kind, head, membersRev, members, doubtful: isBehind, touched: true };
      for (const moved of state.moved) applyMoved(known, moved);
      this.#keep(known);
      return known;
    }
  }

  #keep(known: Known): void {
    this.#members += known.members.size - (this.#known.get(known.cid)?.members.size ?? 0);
    this.#known.set(known.cid, known);
    this.#evict();
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
