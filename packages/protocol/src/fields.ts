import Type, { type Static } from 'typebox';
import { ID_MAX_CHARS, INTEGER_MAX, KIND_MAX_CHARS, MENTIONS_MAX } from './limits.ts';

// The fields that frames and HTTP bodies share.

export const Id = Type.String({ minLength: 1, maxLength: ID_MAX_CHARS });
export const Cid = Id;
export const UserId = Id;
/** Client-made idempotency key; ULID advised. */
export const Mid = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' });
export const Count = Type.Integer({ minimum: 0, maximum: INTEGER_MAX });
export const Seq = Type.Integer({ minimum: 1, maximum: INTEGER_MAX });
/** Epoch milliseconds. */
export const Instant = Count;
export const Kind = Type.String({ minLength: 1, maxLength: KIND_MAX_CHARS });
export const Body = Type.Record(Type.String(), Type.Unknown());
export const Mentions = Type.Array(UserId, { maxItems: MENTIONS_MAX });
export const Stage = Type.Union([Type.Literal('accepted'), Type.Literal('saved')]);
export const ConversationKind = Type.Union([Type.Literal('dm'), Type.Literal('group'), Type.Literal('channel')]);
export const Role = Type.Union([Type.Literal('owner'), Type.Literal('admin'), Type.Literal('member')]);

export const opt = Type.Optional;

/** The newest seq that is saved, where that is less than `head`. */
export const SavedHead = opt(Count);

export type ConversationKind = Static<typeof ConversationKind>;
export type Role = Static<typeof Role>;
