import { ChatError, type ConversationHead } from '@gapless/core';
import { JOINS_MAX, RECEIPTS_MAX_PARTICIPANTS } from '@gapless/protocol';
import type { Authed, Context, Handler } from '../context.ts';
import { Frame } from '../frame.ts';
import { Standings } from '../standings.ts';
import type { Subscription } from '../subscription.ts';

interface Wanted {
  readonly cid: string;
  readonly since?: number;
  readonly rev?: number;
  /** A replay by `since` that was begun before goes on: its own end, and the changes after that. */
  readonly begun?: { readonly until: number; readonly thenRev: number };
}

export const join: Handler<'join'> = (context, session, frame) => inTurn(session, () => joinAll(context, session, [frame], 'join'));

/** Many joins at once, with one read of the store. */
export const sync: Handler<'sync'> = (context, session, frame) =>
  inTurn(session, () => joinAll(context, session, lastOfEach(frame.convs), 'sync'));

/** A `sync` that the server makes for a client, of where its last connection stood. */
export function resume(context: Context, session: Authed, wanted: readonly Wanted[]): Promise<void> {
  return inTurn(session, () => joinAll(context, session, wanted, 'sync'));
}

export const leave: Handler<'leave'> = ({ hub }, session, frame) =>
  inTurn(session, async () => {
    const subscription = session.subscriptions.get(frame.cid);
    if (subscription === undefined) return;
    hub.unsubscribe(subscription);
    session.moved = true;
  });

/** What there is of a conversation that is not pushed to this connection; where it is, there is nothing to pull. */
export const pull: Handler<'pull'> = ({ hub }, session, frame) => {
  const now = () => {
    const subscription = session.subscriptions.get(frame.cid);
    if (subscription === undefined) throw new ChatError('not_participant');
    hub.large.pull(subscription);
  };
  return session.joining === undefined ? now() : inTurn(session, async () => now());
};

/** One of a session at a time, in the order of its frames: no client has more than one of these reads under way. */
function inTurn(session: Authed, task: () => Promise<void>): Promise<void> {
  const before = session.joining ?? Promise.resolve();
  const done = before.then(() => (session.closed ? undefined : task()));
  const settled = done.catch(() => {});
  session.joining = settled;
  void settled.then(() => {
    if (session.joining === settled) session.joining = undefined;
  });
  return done;
}

/**
 * Subscribes first and reads the heads after it: a commit in between is in the tail, and the position decides what is sent.
 * So there is no moment between a fetch and a subscribe in which a message could be missed.
 */
async function joinAll(context: Context, session: Authed, wanted: readonly Wanted[], t: 'join' | 'sync'): Promise<void> {
  const { hub, chat, joins } = context;
  const fresh = wanted.filter(({ cid }) => !session.subscriptions.has(cid)).length;
  if (session.subscriptions.size + fresh > JOINS_MAX)
    throw new ChatError('bad_frame', { say: `cid: more than ${JOINS_MAX} conversations joined` });
  const subscriptions = wanted.map(({ cid }) => hub.subscribe(session, cid));
  const cids = wanted.map(({ cid }) => cid);
  const heads = await joins
    .run(async () => (session.closed ? cids.map(() => undefined) : chat.heads(session.actor, cids)))
    .catch((error: unknown) => {
      for (const subscription of subscriptions) hub.unsubscribe(subscription);
      throw error;
    });
  for (const [i, subscription] of subscriptions.entries()) {
    // The session ended meanwhile.
    if (subscription.closed) continue;
    const head = heads[i];
    if (head !== undefined) start(context, session, subscription, wanted[i]!, head);
    else {
      hub.unsubscribe(subscription);
      const error = new ChatError('not_participant');
      context.metrics.errorOut(error.code);
      hub.flusher.reply(session, Frame.of({ t: 'error', code: error.code, msg: error.message, ref: { t, cid: wanted[i]!.cid } }));
    }
  }
  void sendAllPositions(context, session, subscriptions);
}

/** One after the other, and no frame of the client waits for it. */
async function sendAllPositions(context: Context, session: Authed, subscriptions: readonly Subscription[]): Promise<void> {
  for (const subscription of subscriptions) if (!subscription.closed) await sendPositions(context, session, subscription);
}

function start(context: Context, session: Authed, subscription: Subscription, wanted: Wanted, head: ConversationHead): void {
  const { hub, metrics, directory } = context;
  const reset = isOutside(wanted, head);
  subscription.position = wanted.rev !== undefined && !reset ? wanted.rev : head.rev;
  if (wanted.rev === undefined && wanted.since !== undefined && !reset && wanted.since < head.head)
    subscription.since = { seq: wanted.since, ...(wanted.begun ?? { until: head.head, thenRev: head.rev }) };
  if (wanted.rev !== undefined || wanted.since !== undefined) metrics.resumed(reset);
  hub.observe(subscription.channel, head.head, head.rev);
  const { cid } = head;
  // What was read since the head was: the join is told of it here, and nowhere else.
  const lastRead = Math.max(head.lastRead, Math.min(subscription.ownRead, head.head));
  // Another node's notice may be on its way still: nothing that is told from here on lies behind what `joined` says.
  directory.sawRead(cid, session.actor.uid, lastRead);
  subscription.ownRead = lastRead;
  subscription.channel.standings?.advance('read', session.actor.uid, lastRead);
  hub.flusher.reply(
    session,
    Frame.of({
      t: 'joined',
      cid,
      head: head.head,
      rev: head.rev,
      lastRead,
      ...(head.saved === undefined ? {} : { saved: head.saved }),
      ...(reset ? { reset: true } : {}),
    }),
  );
  subscription.grantedRev = head.rev;
  if (subscription.lastRev <= head.rev) subscription.lastRev = Number.POSITIVE_INFINITY;
  subscription.joined = true;
  subscription.former = undefined;
  session.moved = true;
  subscription.paused = false;
  // What was before the join is replayed, whatever comes later.
  subscription.pulledTo = subscription.ending ? subscription.lastRev : head.rev;
  hub.large.greet(subscription);
  hub.flusher.mark(subscription);
}

/** Beyond the head (the server was set back), or older than the log that is kept. */
function isOutside({ since, rev, begun }: Wanted, head: ConversationHead): boolean {
  if (begun !== undefined && (begun.until > head.head || begun.thenRev > head.rev || begun.thenRev < head.oldestRev - 1)) return true;
  if (rev !== undefined) return rev > head.rev || rev < head.oldestRev - 1;
  return since !== undefined && since > head.head;
}

/** Where the others are. State, not log: sent at each join, newest value only. */
async function sendPositions({ directory, chat, hub, joins, log }: Context, session: Authed, subscription: Subscription): Promise<void> {
  const { channel } = subscription;
  const { cid } = channel;
  try {
    const { members } = directory.peek(cid) ?? (await joins.run(() => directory.load(cid)));
    if (members.size > RECEIPTS_MAX_PARTICIPANTS) return;
    channel.standings ??= new Standings(cid);
    const { standings } = channel;
    await standings.load(() => joins.run(() => chat.positions(session.actor, cid)));
    hub.flusher.reply(session, standings.of(subscription, session.actor.uid));
  } catch (error) {
    log.warn({ err: error, cid }, 'positions not sent on join');
  }
}

function lastOfEach(wanted: readonly Wanted[]): Wanted[] {
  return [...new Map(wanted.map((item) => [item.cid, item])).values()];
}
