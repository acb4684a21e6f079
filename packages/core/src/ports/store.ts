import type { ConversationKind, ErrorCode, Role } from '@gapless/protocol';
import type { ConversationRecord, ConversationView, LogEntry, MessageRecord, ParticipantRecord, Position, UserRecord } from '../model.ts';
import type { ReplayPage } from '../replay.ts';
import type { AcceptStore } from './accept-store.ts';
import type { LogFeed } from './feed.ts';

/** One durable change. The batch that holds it is the transaction: no use case can forget dedupe, seq or log row. */
export type Command =
  | SendCommand
  | CreateCommand
  | ({
      readonly op: 'add';
      readonly cid: string;
      readonly by: string;
      readonly at: number;
      readonly users: readonly string[];
      readonly role: Role;
      /** Create users that do not exist. */
      readonly createUsers: boolean;
    } & Rights)
  | ({ readonly op: 'remove'; readonly cid: string; readonly by: string; readonly at: number; readonly uid: string } & Rights)
  | ({ readonly op: 'settings'; readonly cid: string; readonly by: string; readonly at: number; readonly title: string } & Rights)
  | { readonly op: 'read'; readonly cid: string; readonly uid: string; readonly pos: number }
  | { readonly op: 'delivered'; readonly cid: string; readonly uid: string; readonly did: string; readonly pos: number }
  | OpenCommand
  | SaveCommand
  | CloseCommand
  | SettleCommand;

/** From here on the accept log of that epoch gives the numbers of the conversation, up to `window` ahead of its head. */
export interface OpenCommand {
  readonly op: 'open';
  readonly cid: string;
  readonly epoch: number;
  /** As the log gave it. One that is older than another opening of that epoch is `over`. */
  readonly opening: number;
  readonly window: number;
}

/** Saves what the accept log gave these numbers. Nobody's rights are looked at again. */
export interface SaveCommand {
  readonly op: 'save';
  readonly cid: string;
  readonly epoch: number;
  readonly seq: number;
  readonly rev: number;
  readonly send: SendCommand;
  /** From here on it may be so far ahead of its head; what was reserved before stays. */
  readonly window: number;
}

/** The store gives the numbers again. */
export interface CloseCommand {
  readonly op: 'close';
  readonly cid: string;
  readonly epoch: number;
  /** By which it is open; else it is `over`. */
  readonly opening: number;
  /** The last number that was given. */
  readonly head: number;
}

/**
 * Ends an epoch for a conversation that was open in it. Of the numbers from the head on up to `upTo`, those in `messages` are saved as they
 * are, and each of the others becomes a message of kind `lost` by `system`, recalled at once, with a mid of its own. One log row more
 * names these. Then the store gives the numbers again.
 */
export interface SettleCommand {
  readonly op: 'settle';
  readonly cid: string;
  readonly epoch: number;
  /** Only where it is open by that one. Absent: by any. */
  readonly opening?: number;
  readonly at: number;
  readonly messages: readonly { readonly seq: number; readonly rev: number; readonly send: SendCommand }[];
  /** `reserved`: all that may have been given. Never less than the newest of `messages`. */
  readonly upTo: number | 'reserved';
}

/** What the caller's rights rest on. */
export interface Rights {
  /**
   * `membersRev` of the conversation when its participants were read. Where it has moved on, the caller must still take part, with this
   * role if one is named; else the command does nothing and its outcome is `stale`. So rights that another node took away count from the
   * commit on, whatever became of the notice. Absent: not compared.
   */
  readonly membersRev?: number;
  readonly callerRole?: Role;
}

export interface SendCommand extends Rights {
  readonly op: 'send';
  readonly cid: string;
  readonly mid: string;
  readonly from: string;
  readonly at: number;
  readonly kind: string;
  readonly body: string;
  /** Digest of the payload, equal for equal payloads; kept for ever beside the mid. */
  readonly digest: string;
  readonly replyTo?: number;
  readonly threadRoot?: number;
  readonly mentions?: readonly string[];
  /** The old way (seed 002): the member rows are looked at, and the sender's own read position is moved, in the transaction of the send. */
  readonly ensureMembers?: true;
}

export interface CreateCommand {
  readonly op: 'create';
  /** Used unless the dm exists already. */
  readonly cid: string;
  readonly kind: ConversationKind;
  readonly title?: string;
  readonly by: string;
  readonly at: number;
  readonly participants: readonly { readonly uid: string; readonly role: Role }[];
  /** Create users that do not exist, instead of `unknown_user`. */
  readonly createUsers: boolean;
}

export interface Numbers {
  readonly seq: number;
  readonly rev: number;
  readonly at: number;
}

/** What became of one command. A failed one left nothing behind and did not touch its neighbours in the batch. */
export type Outcome =
  /** `entry` is absent when `dup`: the first one was published then. */
  | {
      readonly ok: true;
      readonly op: 'send';
      readonly seq: number;
      readonly rev: number;
      readonly at: number;
      readonly dup: boolean;
      readonly entry?: LogEntry;
      /** Accepted, not saved yet. Resolves to its numbers when it is; rejects with `store_unavailable` when it got lost before. No store gives it. */
      readonly saved?: Promise<Numbers>;
    }
  /** `created: false`: this dm existed; `cid` is its own. */
  | { readonly ok: true; readonly op: 'create'; readonly cid: string; readonly created: boolean; readonly entry?: LogEntry }
  /** Adding who is there, removing who is not, and setting what is set write no log row: no `entry`. `add` lists in its entry only who is new. */
  | { readonly ok: true; readonly op: 'add' | 'remove' | 'settings'; readonly entry?: LogEntry }
  /** `pos` is the position now (never beyond head, never back); `advanced` says whether this command moved it. For `delivered`, the maximum over devices. */
  | { readonly ok: true; readonly op: 'read' | 'delivered'; readonly pos: number; readonly advanced: boolean }
  /** `before`: the opening by which it was open in this epoch already, 0 where it was closed. The numbers are those of the store now. */
  | {
      readonly ok: true;
      readonly op: 'open';
      readonly before: number;
      readonly head: number;
      readonly rev: number;
      readonly membersRev: number;
      readonly reserved: number;
    }
  /** `dup`: it was saved before. `reserved` as in OpenConversation. */
  | { readonly ok: true; readonly op: 'save'; readonly dup: boolean; readonly reserved: number; readonly entry?: LogEntry }
  | { readonly ok: true; readonly op: 'close' }
  /** In order of their revs. Empty: it was not open in that epoch. */
  | { readonly ok: true; readonly op: 'settle'; readonly entries: readonly LogEntry[] }
  | {
      readonly ok: false;
      /**
       * - `stale`: the caller's rights changed since they were looked up. Look again, and try again.
       * - `accepting`: of `send`, `add`, `remove` and `settings`: the accept log gives the numbers of this conversation now.
       * - `over`: of `open`, `save` and `close`: the conversation is not open in this epoch (for `open`: it is in another, or the accept
       *   state is not that this epoch is open), or, for `open` and `close`, there was a newer opening. Of `save` also: this number is
       *   another message's.
       * - `ahead`: of `save`: a number before it is missing; of `close`: numbers that were given are not saved.
       * - `twice`: of `save`: this mid is a message with another number already. The store keeps this number with a `lost` message, as
       *   `settle` does, and the head moves on; its log row is in `entries`, and in none the next time. No `lost` change names it: that
       *   would take a rev.
       */
      readonly code:
        | (ErrorCode & ('not_participant' | 'unknown_user' | 'mid_conflict' | 'bad_frame'))
        | 'stale'
        | 'accepting'
        | 'over'
        | 'ahead'
        | 'twice';
      readonly entries?: readonly LogEntry[];
      readonly say?: string;
    };

export interface ConversationHead {
  readonly cid: string;
  readonly head: number;
  readonly rev: number;
  readonly lastRead: number;
  readonly role: Role;
  /** Oldest rev that the log still has; a cursor below `oldestRev - 1` cannot be resumed. */
  readonly oldestRev: number;
  /** The epoch of the accept log in which it is open: head and rev may be further there. 0: the store gives the numbers. */
  readonly epoch: number;
  /** Head that is saved, where `head` counts what is only accepted. No store gives it. */
  readonly saved?: number;
}

/**
 * Everything durable. A command of `commit` is whole or not there, and shares its transaction with as many of its batch as the store can take.
 *
 * - seq and rev of a conversation are dense from 1; a new message takes head + 1 of both.
 * - `(cid, mid)` is one message for ever: the same digest from the same sender again gives the first outcome with `dup`, anything else is `mid_conflict`.
 * - A send reads and writes no member row: that the sender's own read position follows is the caller's matter. With `ensureMembers` it moves
 *   to the seq of the message in the same transaction, and the sender's member row must be there (`not_participant`).
 * - A position first updates the member row; only where none was changed it is looked whether there is one, and a device's row is made.
 * - Commands of a batch take effect in their order; a later one sees what an earlier one did.
 * - Reads see every batch whose `commit` has resolved.
 *
 * Every method rejects with ChatError `store_unavailable` when the outcome is not known or the store cannot work.
 */
export interface Store extends ConversationReads, AccountStore, LogFeed, AcceptStore {
  readonly capabilities: {
    readonly durable: boolean;
    /** Several processes may work on the same data at once. */
    readonly multiProcess: boolean;
    /** Commits that may run at a time, in one process, for different conversations. */
    readonly lanes: number;
  };
  /** Durable when it resolves. Outcomes are in the order of the commands. Called for one conversation once at a time. */
  commit(batch: readonly Command[]): Promise<readonly Outcome[]>;
  /**
   * Moves the own read position of who sent something among the newest `rows` log rows to their newest message there; resolves to how
   * many moved. For after a crash.
   */
  healOwnReads(options: { rows: number }): Promise<number>;
  /** Rejects unless a write could be made now. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface ConversationReads {
  /** Newest rev of each, undefined where there is none: for nodes that look whether they missed something. Asks for no rights. */
  revs(cids: readonly string[]): Promise<(number | undefined)[]>;
  /** One per cid, in order; undefined where the user is no participant. */
  heads(uid: string, cids: readonly string[]): Promise<(ConversationHead | undefined)[]>;
  conversation(cid: string): Promise<ConversationRecord | undefined>;
  /** By joining, then uid. */
  participants(cid: string, options?: { limit?: number }): Promise<(ParticipantRecord & { readonly displayName: string })[]>;
  /** Newest activity first; `before` is the last item of the page before. */
  conversationsOf(uid: string, options: { before?: { updatedAt: number; cid: string }; limit: number }): Promise<ConversationView[]>;
  conversationView(uid: string, cid: string): Promise<ConversationView | undefined>;
  /** Ascending by seq. `after`: the first ones above it; `before`: the last ones below it; neither: the newest. */
  messages(cid: string, options: { after?: number; before?: number; limit: number }): Promise<MessageRecord[]>;
  /** Log rows with a larger rev, ascending, at most `limit`. */
  changes(cid: string, options: { after: number; limit: number }): Promise<LogEntry[]>;
  /**
   * What `changes` gives (`by: 'rev'`), or `messages` after a seq (`by: 'seq'`), as frames: what a client that comes back gets. Made where
   * the rows are read, so that the thread of the connections only copies. Ends early where `maxBytes` would be exceeded, but not before
   * the first row.
   */
  replay(cid: string, options: { by: 'rev' | 'seq'; after: number; limit: number; maxBytes: number }): Promise<ReplayPage>;
  /** Participants that have read or received anything. */
  positions(cid: string): Promise<Position[]>;
  /** Which of `others` share a conversation with `uid`. */
  acquainted(uid: string, others: readonly string[]): Promise<string[]>;
}

export interface Credentials {
  readonly uid: string;
  /** PHC string of argon2id. */
  readonly passwordHash: string;
}

export interface SessionRecord {
  readonly sid: string;
  readonly uid: string;
  /** What signed in, in words for its user. */
  readonly label: string;
  readonly createdAt: number;
  /** Of the sign-in, or the last refresh. */
  readonly lastSeenAt: number;
  readonly expiresAt: number;
}

/** Users, local accounts and sign-ins. A session is a family of refresh tokens: one sign-in on one device. */
export interface AccountStore {
  /** Creates the user unless it exists (case matters); returns it. */
  ensureUser(user: { uid: string; displayName?: string; at: number }): Promise<UserRecord>;
  users(uids: readonly string[]): Promise<UserRecord[]>;
  /** False when a user of this name exists, in any case of letters and however it was created. One that is created by another process at this very moment may be overlooked. */
  createAccount(account: { uid: string; displayName: string; passwordHash: string; at: number }): Promise<boolean>;
  credentials(uid: string): Promise<Credentials | undefined>;
  /** Where the user has more than `liveMax` live ones then, those not seen for longest are revoked; resolves to their sids. */
  createSession(session: SessionRecord & { refreshHash: string; liveMax: number }): Promise<string[]>;
  /** Neither revoked nor expired at that time, last seen first. */
  sessionsOf(uid: string, options: { at: number; limit: number }): Promise<SessionRecord[]>;
  /**
   * Atomically replaces a session's refresh token; the session was seen at that time.
   * `reused`: this token was replaced before; the session is now revoked. `unknown`: no such token, or revoked, or expired.
   */
  rotateSession(rotation: {
    refreshHash: string;
    nextHash: string;
    at: number;
    expiresAt: number;
  }): Promise<{ result: 'ok'; session: SessionRecord } | { result: 'reused'; session: SessionRecord } | { result: 'unknown' }>;
  /** Resolves to whether it was live. With `uid`, a session of another user is not there. */
  revokeSession(sid: string, at: number, uid?: string): Promise<boolean>;
  /** Revokes every live session of the user but `except`; resolves to their sids. */
  revokeSessionsOf(uid: string, options: { at: number; except?: string }): Promise<string[]>;
  /** sids revoked at or after `since`. */
  revokedSessions(since: number): Promise<string[]>;
  /**
   * Deletes sessions that were revoked or expired before that time with their refresh tokens, and tokens that were replaced before it:
   * about `limit` rows a call. Resolves to how many; 0: none are left.
   */
  pruneSessions(before: number, limit: number): Promise<number>;
}
