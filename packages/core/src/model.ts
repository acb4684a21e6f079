import type { ConversationKind, Role } from '@gapless/protocol';

// What is stored, as the use cases and both stores see it. Times are epoch milliseconds.

/** One message in its current state. */
export interface MessageRecord {
  readonly cid: string;
  readonly seq: number;
  /** rev of its creation. */
  readonly rev: number;
  readonly mid: string;
  readonly from: string;
  readonly at: number;
  readonly kind: string;
  /** A JSON object as text: written once, copied to the wire as it is. */
  readonly body: string;
  readonly replyTo?: number;
  readonly threadRoot?: number;
  readonly mentions?: readonly string[];
  readonly editedAt?: number;
  readonly recalledAt?: number;
  /** `accepted`: it has its numbers and is not saved yet. Absent: saved. */
  readonly stage?: 'accepted';
}

/** Who says that a message was lost, and of which kind that message is. */
export const LOST = { from: 'system', kind: 'lost' } as const;

/** A durable change other than a new message. `created` has rev 0; clients see the changes from rev 1 on. */
export type ChangeDetail =
  | { readonly op: 'created'; readonly kind: ConversationKind; readonly title?: string; readonly users: readonly string[] }
  | { readonly op: 'participants_added'; readonly users: readonly string[]; readonly role: Role }
  | { readonly op: 'participants_removed'; readonly users: readonly string[] }
  | { readonly op: 'settings'; readonly title: string }
  /** These numbers were given to messages that were lost before they were saved; each is a message of kind `lost` now. */
  | { readonly op: 'lost'; readonly seqs: readonly number[] };

/** One row of a conversation's log. A message's row carries the message in its current state. */
export type LogEntry =
  | { readonly op: 'message'; readonly cid: string; readonly rev: number; readonly message: MessageRecord }
  | {
      readonly op: 'change';
      readonly cid: string;
      readonly rev: number;
      readonly by: string;
      readonly at: number;
      readonly detail: ChangeDetail;
    };

export interface ParticipantRecord {
  readonly uid: string;
  readonly role: Role;
  readonly joinedAt: number;
  readonly lastRead: number;
}

export interface ConversationRecord {
  readonly cid: string;
  readonly kind: ConversationKind;
  readonly title?: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly head: number;
  readonly rev: number;
  /** rev of the newest change of its participants; 0: they are those of its creation. */
  readonly membersRev: number;
  readonly participantCount: number;
}

/** A conversation as one participant sees it in a list. */
export interface ConversationView extends ConversationRecord {
  readonly role: Role;
  readonly lastRead: number;
  readonly lastMessage?: MessageRecord;
  /** Head that is saved, where `head` counts what is only accepted. */
  readonly saved?: number;
  /** The other side of a dm. */
  readonly peer?: { readonly uid: string; readonly displayName: string };
}

export interface UserRecord {
  readonly uid: string;
  readonly displayName: string;
  readonly createdAt: number;
}

/** How far someone is: newest seq read, and newest that reached any of the devices. */
export interface Position {
  readonly uid: string;
  readonly lastRead: number;
  readonly delivered: number;
}
