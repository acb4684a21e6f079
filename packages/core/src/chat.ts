import type { ConversationKind, Role } from '@gapless/protocol';
import type { ConversationRecord, ConversationView, MessageRecord, ParticipantRecord, Position } from './model.ts';
import type { ConversationHead, Numbers } from './ports/store.ts';

/** Who asks: a verified token's subject. `admin` is the app's backend, not a user of the chat. */
export interface Actor {
  readonly uid: string;
  readonly role: 'user' | 'admin';
}

export interface SendInput {
  readonly cid: string;
  readonly mid: string;
  readonly kind: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly replyTo?: number | undefined;
  readonly threadRoot?: number | undefined;
  readonly mentions?: readonly string[] | undefined;
}

export interface SendResult {
  readonly seq: number;
  readonly rev: number;
  readonly at: number;
  readonly stage: 'accepted' | 'saved';
  readonly dup: boolean;
  /** Of an accepted one: resolves when it is saved; rejects with `store_unavailable` when it was lost before, and its number is void. */
  readonly saved?: Promise<Numbers>;
}

/** A conversation as the actor may see it. `view` fields of an admin who is no participant: lastRead 0, no last message. */
export interface ConversationDetailView extends ConversationRecord {
  /** As in ConversationView. */
  readonly saved?: number;
  readonly lastRead: number;
  readonly lastMessage?: MessageRecord;
  readonly peer?: ConversationView['peer'];
  readonly participants: readonly (ParticipantRecord & { readonly displayName: string })[];
}

/**
 * Every use case, with its rights checked. Each rejects with ChatError; `not_participant` also where the conversation does not exist.
 */
export interface Chat {
  /** Resolves when committed, or accepted where that is on. Sends of one caller to one conversation keep their order. */
  send(actor: Actor, input: SendInput): Promise<SendResult>;
  /** The creator is a participant, and owner unless a dm; an admin is none unless named, and the first named is owner. The same dm again: `created` false. */
  createConversation(
    actor: Actor,
    input: { kind: ConversationKind; participants: readonly string[]; title?: string | undefined },
  ): Promise<{ conversation: ConversationDetailView; created: boolean }>;
  /** For owner, admin of the conversation, or role admin. Nobody is added to a dm. */
  addParticipants(actor: Actor, cid: string, input: { users: readonly string[]; role?: 'admin' | 'member' | undefined }): Promise<void>;
  /** Oneself, or by owner or admin; an owner is removed by themselves or role admin only. Nobody leaves a dm. */
  removeParticipant(actor: Actor, cid: string, uid: string): Promise<void>;
  updateConversation(actor: Actor, cid: string, input: { title: string }): Promise<void>;
  conversations(
    actor: Actor,
    page: { cursor?: string | undefined; limit?: number | undefined },
  ): Promise<{ items: ConversationView[]; next?: string }>;
  conversation(actor: Actor, cid: string): Promise<ConversationDetailView>;
  messages(
    actor: Actor,
    cid: string,
    page: { after?: number | undefined; before?: number | undefined; limit?: number | undefined },
  ): Promise<{ items: MessageRecord[]; head: number; saved?: number }>;
  /** Durable when it resolves; resolves to the position now. */
  read(actor: Actor, cid: string, pos: number): Promise<number>;
  delivered(actor: Actor, device: string, cid: string, pos: number): Promise<number>;
  /** What a join needs, one per cid in order; undefined where the actor is no participant. */
  heads(actor: Actor, cids: readonly string[]): Promise<(ConversationHead | undefined)[]>;
  positions(actor: Actor, cid: string): Promise<Position[]>;
  /** The actor's role in the conversation, from the cache. @throws ChatError not_participant */
  requireParticipant(actor: Actor, cid: string): Promise<Role>;
  /** Which of `others` share a conversation with the actor. */
  acquainted(actor: Actor, others: readonly string[]): Promise<string[]>;
}
