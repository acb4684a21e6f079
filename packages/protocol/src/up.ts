import Type, { type Static } from 'typebox';
import { Body, Cid, Count, Instant, Kind, Mentions, Mid, opt, Seq, UserId } from './fields.ts';
import { SYNC_MAX, WATCH_MAX } from './limits.ts';

// Frames from client to server: PROTOCOL, section 3. Unknown fields are ignored.

const Auth = Type.Object({ t: Type.Literal('auth'), jwt: Type.String({ minLength: 1, maxLength: 8_192 }), device: opt(UserId) });

/** Neither `since` nor `rev`: from the head, nothing is replayed. */
const Join = Type.Object({ t: Type.Literal('join'), cid: Cid, since: opt(Count), rev: opt(Count) });

const Sync = Type.Object({
  t: Type.Literal('sync'),
  convs: Type.Array(Type.Object({ cid: Cid, since: opt(Count), rev: opt(Count) }), { maxItems: SYNC_MAX }),
});

/** What there is of a conversation that this connection is not pushed: up to the head of now, from where it was. */
const Pull = Type.Object({ t: Type.Literal('pull'), cid: Cid });

const Leave = Type.Object({ t: Type.Literal('leave'), cid: Cid });

export const sendFields = {
  mid: Mid,
  kind: Kind,
  body: Body,
  clientId: opt(Type.String({ maxLength: 64 })),
  at: opt(Instant),
  replyTo: opt(Seq),
  threadRoot: opt(Seq),
  mentions: opt(Mentions),
};

const Send = Type.Object({ t: Type.Literal('send'), cid: Cid, ...sendFields });

/** This device has everything up to `pos`. */
const Ack = Type.Object({ t: Type.Literal('ack'), cid: Cid, pos: Count });

/** This user has read up to `pos`. */
const Read = Type.Object({ t: Type.Literal('read'), cid: Cid, pos: Count });

const Typing = Type.Object({ t: Type.Literal('typing'), cid: Cid, on: Type.Boolean() });

const Edit = Type.Object({ t: Type.Literal('edit'), cid: Cid, seq: Seq, body: Body, opId: Mid });
const Recall = Type.Object({ t: Type.Literal('recall'), cid: Cid, seq: Seq, opId: Mid });
const React = Type.Object({
  t: Type.Literal('react'),
  cid: Cid,
  seq: Seq,
  emoji: Type.String({ minLength: 1, maxLength: 64 }),
  on: Type.Boolean(),
  opId: Mid,
});

const Presence = Type.Object({
  t: Type.Literal('presence'),
  watch: opt(Type.Array(UserId, { maxItems: WATCH_MAX })),
  unwatch: opt(Type.Array(UserId, { maxItems: WATCH_MAX })),
});

const Call = Type.Object({ t: Type.Literal('call') });
const Ping = Type.Object({ t: Type.Literal('ping'), n: opt(Count) });

export const UP_SCHEMAS = {
  auth: Auth,
  join: Join,
  sync: Sync,
  leave: Leave,
  pull: Pull,
  send: Send,
  ack: Ack,
  read: Read,
  typing: Typing,
  edit: Edit,
  recall: Recall,
  react: React,
  presence: Presence,
  call: Call,
  ping: Ping,
} as const;

export type UpType = keyof typeof UP_SCHEMAS;
export type UpFrameOf<T extends UpType> = Static<(typeof UP_SCHEMAS)[T]>;
export type UpFrame = { [T in UpType]: UpFrameOf<T> }[UpType];
