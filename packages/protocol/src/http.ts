import Type, { type Static } from 'typebox';
import { messageFields } from './down.ts';
import { Cid, ConversationKind, Count, Instant, Mid, opt, Role, SavedHead, Seq, Stage, UserId } from './fields.ts';
import {
  DEVICE_NAME_MAX_CHARS,
  PAGE_MAX,
  PARTICIPANTS_PER_CALL_MAX,
  PASSWORD_MAX_CHARS,
  PASSWORD_MIN_CHARS,
  TITLE_MAX_CHARS,
} from './limits.ts';
import { sendFields } from './up.ts';

// Bodies of the HTTP API: PROTOCOL, section 6.

/** A local account's name is its user id. */
export const Username = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$' });
const Password = Type.String({ minLength: PASSWORD_MIN_CHARS, maxLength: PASSWORD_MAX_CHARS });
const DisplayName = Type.String({ minLength: 1, maxLength: 100 });
const Title = Type.String({ maxLength: TITLE_MAX_CHARS });
const Users = Type.Array(UserId, { maxItems: PARTICIPANTS_PER_CALL_MAX });

/** What its user calls the device, in the list of sign-ins; a short form of the User-Agent when absent. */
const Device = Type.String({ minLength: 1, maxLength: DEVICE_NAME_MAX_CHARS });

export const RegisterRequest = Type.Object({
  username: Username,
  password: Password,
  displayName: opt(DisplayName),
  device: opt(Device),
});
export const LoginRequest = Type.Object({
  username: Type.String({ minLength: 1, maxLength: 64 }),
  password: Type.String({ minLength: 1, maxLength: PASSWORD_MAX_CHARS }),
  device: opt(Device),
});
export const RefreshRequest = Type.Object({ refreshToken: Type.String({ minLength: 1, maxLength: 256 }) });
/** `expiresIn` is the access token's life in seconds. */
export const Tokens = Type.Object({ userId: UserId, accessToken: Type.String(), refreshToken: Type.String(), expiresIn: Count });
export const Me = Type.Object({
  userId: UserId,
  displayName: Type.String(),
  role: Type.Union([Type.Literal('user'), Type.Literal('admin')]),
});

/** One sign-in. `lastSeenAt` moves when its tokens are refreshed; `current`: the one that asks. */
export const Session = Type.Object({
  sid: Type.String(),
  /** Empty where nothing is known of the device. */
  label: Type.String(),
  createdAt: Instant,
  lastSeenAt: Instant,
  expiresAt: Instant,
  current: Type.Boolean(),
});
/** Last seen first; all that there are. */
export const SessionList = Type.Object({ items: Type.Array(Session) });

export const Participant = Type.Object({ userId: UserId, displayName: Type.String(), role: Role, joinedAt: Instant, lastRead: Count });
export const Message = Type.Object(messageFields);

export const Conversation = Type.Object({
  cid: Cid,
  kind: ConversationKind,
  title: opt(Type.String()),
  head: Count,
  saved: SavedHead,
  rev: Count,
  lastRead: Count,
  unread: Count,
  createdAt: Instant,
  /** Newest activity: creation or last message. */
  updatedAt: Instant,
  participantCount: Count,
  lastMessage: opt(Message),
  /** The other side of a dm. */
  peer: opt(Type.Object({ userId: UserId, displayName: Type.String() })),
});
export const ConversationDetail = Type.Object({
  ...Conversation.properties,
  /** At most the first 1,000, by joining; `participantCount` is exact. */
  participants: Type.Array(Participant),
});
export const ConversationPage = Type.Object({ items: Type.Array(Conversation), next: opt(Type.String()) });

export const CreateConversationRequest = Type.Object({ kind: ConversationKind, participants: Users, title: opt(Title) });
export const AddParticipantsRequest = Type.Object({
  userIds: Type.Array(UserId, { minItems: 1, maxItems: PARTICIPANTS_PER_CALL_MAX }),
  role: opt(Type.Union([Type.Literal('admin'), Type.Literal('member')])),
});
export const UpdateConversationRequest = Type.Object({ title: Title });

export const MessagePage = Type.Object({ items: Type.Array(Message), head: Count, saved: SavedHead });
export const SendRequest = Type.Object(sendFields);
export const SendResponse = Type.Object({
  cid: Cid,
  mid: Mid,
  seq: Seq,
  rev: Seq,
  at: Instant,
  stage: Stage,
  dup: opt(Type.Literal(true)),
});
export const ReadRequest = Type.Object({ pos: Count });

export const PageQuery = Type.Object({
  cursor: opt(Type.String({ maxLength: 200 })),
  limit: opt(Type.Integer({ minimum: 1, maximum: PAGE_MAX })),
});
export const MessagesQuery = Type.Object({
  after: opt(Count),
  before: opt(Seq),
  limit: opt(Type.Integer({ minimum: 1, maximum: PAGE_MAX })),
});

/** RFC 9457. */
export const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Count,
  detail: opt(Type.String()),
  code: Type.String(),
  requestId: Type.String(),
  retryAfterMs: opt(Count),
});

export type Tokens = Static<typeof Tokens>;
export type Me = Static<typeof Me>;
export type Session = Static<typeof Session>;
export type SessionList = Static<typeof SessionList>;
export type Participant = Static<typeof Participant>;
export type Message = Static<typeof Message>;
export type Conversation = Static<typeof Conversation>;
export type ConversationDetail = Static<typeof ConversationDetail>;
export type ConversationPage = Static<typeof ConversationPage>;
export type MessagePage = Static<typeof MessagePage>;
export type SendRequest = Static<typeof SendRequest>;
export type SendResponse = Static<typeof SendResponse>;
export type Problem = Static<typeof Problem>;
export type CreateConversationRequest = Static<typeof CreateConversationRequest>;
