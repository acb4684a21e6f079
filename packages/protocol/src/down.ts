import Type, { type Static } from 'typebox';
import { Body, Cid, Count, Instant, Kind, Mentions, Mid, opt, SavedHead, Seq, Stage, UserId } from './fields.ts';

// Frames from server to client: PROTOCOL, section 4.

const Ready = Type.Object({
  t: Type.Literal('ready'),
  userId: UserId,
  device: Type.String(),
  conn: Type.String(),
  serverTs: Instant,
  heartbeatMs: Count,
  features: Type.Array(Type.String()),
});

const Joined = Type.Object({
  t: Type.Literal('joined'),
  cid: Cid,
  head: Count,
  saved: SavedHead,
  rev: Count,
  lastRead: Count,
  reset: opt(Type.Literal(true)),
});

export const messageFields = {
  cid: Cid,
  seq: Seq,
  rev: Seq,
  mid: Mid,
  from: UserId,
  at: Instant,
  kind: Kind,
  body: Body,
  editedAt: opt(Instant),
  recalledAt: opt(Instant),
  replyTo: opt(Seq),
  threadRoot: opt(Seq),
  mentions: opt(Mentions),
  /** It has its numbers and is not saved yet. Absent: saved. */
  stage: opt(Type.Literal('accepted')),
};

const Message = Type.Object({ t: Type.Literal('message'), ...messageFields });

const Ack = Type.Object({
  t: Type.Literal('ack'),
  cid: Cid,
  mid: opt(Mid),
  opId: opt(Mid),
  pos: Count,
  rev: opt(Count),
  stage: Stage,
  at: Instant,
  dup: opt(Type.Literal(true)),
});

const Delivered = Type.Object({ t: Type.Literal('delivered'), cid: Cid, pos: Count, from: UserId });
const Read = Type.Object({ t: Type.Literal('read'), cid: Cid, pos: Count, from: UserId });
const Typing = Type.Object({ t: Type.Literal('typing'), cid: Cid, from: UserId, on: Type.Boolean() });

/** A durable change that is not a new message; what else it carries depends on `op`. */
const Change = Type.Object({
  t: Type.Literal('change'),
  cid: Cid,
  rev: Seq,
  op: Type.String(),
  seq: opt(Seq),
  /** Of `lost`: what was shown under these numbers is void; each is a message of kind `lost` now. */
  seqs: opt(Type.Array(Seq)),
  by: UserId,
  at: Instant,
  users: opt(Type.Array(UserId)),
  role: opt(Type.String()),
  title: opt(Type.String()),
});

/** To every connection of the user, joined or not. */
const Conversation = Type.Object({
  t: Type.Literal('conversation'),
  cid: Cid,
  op: Type.Union([Type.Literal('added'), Type.Literal('removed'), Type.Literal('changed')]),
  head: Count,
  unread: Count,
});

const Presence = Type.Object({
  t: Type.Literal('presence'),
  user: UserId,
  state: Type.Union([Type.Literal('online'), Type.Literal('offline')]),
  lastSeen: opt(Instant),
});

const Behind = Type.Object({ t: Type.Literal('behind'), cid: Cid, head: Count, by: Count });
/**
 * Only to connections that asked for it with `?pull=1`. How a conversation reaches this connection from here on: `push`, as always;
 * `notify`, this frame when there is something, and the client sends `pull` within `waitMs`, at a moment of its own choice; `none`, not
 * even that, the client pulls about every `waitMs` while somebody looks.
 */
const Head = Type.Object({
  t: Type.Literal('head'),
  cid: Cid,
  head: Count,
  rev: Count,
  mode: Type.Union([Type.Literal('push'), Type.Literal('notify'), Type.Literal('none')]),
  waitMs: Count,
});

const Call = Type.Object({ t: Type.Literal('call') });
const Kick = Type.Object({ t: Type.Literal('kick'), code: Type.String(), msg: Type.String() });
const Goaway = Type.Object({ t: Type.Literal('goaway'), reconnectInMs: Count });
const Pong = Type.Object({ t: Type.Literal('pong'), n: opt(Count), serverTs: Instant });

const ErrorFrame = Type.Object({
  t: Type.Literal('error'),
  code: Type.String(),
  msg: Type.String(),
  ref: opt(Type.Object({ t: Type.String(), cid: opt(Type.String()), mid: opt(Type.String()), opId: opt(Type.String()) })),
  retryAfterMs: opt(Count),
});

export const DOWN_SCHEMAS = {
  ready: Ready,
  joined: Joined,
  message: Message,
  ack: Ack,
  delivered: Delivered,
  read: Read,
  typing: Typing,
  change: Change,
  conversation: Conversation,
  presence: Presence,
  behind: Behind,
  head: Head,
  call: Call,
  kick: Kick,
  goaway: Goaway,
  pong: Pong,
  error: ErrorFrame,
} as const;

export type DownType = keyof typeof DOWN_SCHEMAS;
export type DownFrameOf<T extends DownType> = Static<(typeof DOWN_SCHEMAS)[T]>;
export type DownFrame = { [T in DownType]: DownFrameOf<T> }[DownType];
