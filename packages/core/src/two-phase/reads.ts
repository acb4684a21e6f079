import type { Clock } from '@gapless/kit';
import { ChatError } from '../errors.ts';
import type { ConversationView, LogEntry, MessageRecord } from '../model.ts';
import type { Accepted, AcceptLog, AcceptTail } from '../ports/accept-log.ts';
import { AcceptLogAway } from '../ports/accept-log.ts';
import type { ConversationHead, ConversationReads } from '../ports/store.ts';
import { type ReplayPage, replayOf } from '../replay.ts';
import type { Epochs } from './epochs.ts';
import { recordOf } from './record.ts';
import type { UnsavedMessages } from './unsaved.ts';

/** How long a read waits for an epoch to be settled: until then nobody knows the head. */
const SETTLE_MS = 3_000;
const LOOK_MS = 100;

export interface AcceptedReadsDeps {
  readonly reads: ConversationReads;
  readonly accept: AcceptLog;
  readonly epochs: Pick<Epochs, 'epoch' | 'shows' | 'change'>;
  readonly unsaved: UnsavedMessages;
  readonly clock: Clock;
}

/**
 * The store's reads, with what is accepted and not saved yet behind what is saved. What the log has is read first: what is saved in between
 * is then in the store. Lists of conversations begin at the store, and are put right. Where nothing is shown before it is saved, and no epoch is on, they are the store's own.
 */
export function acceptedReads(deps: AcceptedReadsDeps): ConversationReads {
  const { reads, epochs } = deps;

  /** Unsaved messages behind a rev, and then what the store has: in this order. */
  async function byRev<T>(cid: string, after: number, limit: number, read: () => Promise<T>): Promise<[Accepted[], T]> {
    const pending = await pendingOf(deps, cid, { after, limit });
    return [pending, await read()];
  }

  /** The same behind a seq. While a conversation is open its revs are ahead of its seqs by always the same. */
  async function bySeq<T>(cid: string, from: (head: number) => number, limit: number, read: () => Promise<T>): Promise<[Accepted[], T]> {
    const [tail] = await tailsOf(deps, [cid]);
    if (tail === undefined || tail.head === tail.savedHead) return [[], await read()];
    const after = Math.max(from(tail.head), tail.savedHead);
    return byRev(cid, after + tail.rev - tail.head, limit, read);
  }

  return {
    ...reads,

    async revs(cids) {
      const [tails, revs] = [await tailsOf(deps, cids), await reads.revs(cids)];
      return revs.map((rev, i) => (rev === undefined ? undefined : Math.max(rev, tails[i]?.rev ?? 0)));
    },

    heads: (uid, cids) => headsOf(deps, uid, cids),

    async conversation(cid) {
      const [[tail], record] = [await tailsOf(deps, [cid]), await reads.conversation(cid)];
      return record === undefined ? undefined : ahead(record, tail);
    },

    async conversationsOf(uid, options) {
      return withLast(deps, uid, await reads.conversationsOf(uid, options));
    },

    async conversationView(uid, cid) {
      const view = await reads.conversationView(uid, cid);
      return view === undefined ? undefined : (await withLast(deps, uid, [view]))[0];
    },

    async positions(cid) {
      const [tail] = await tailsOf(deps, [cid]);
      const unsaved = tail === undefined || tail.rev === tail.savedRev ? [] : await unsavedOf(deps, cid, tail);
      const stored = await reads.positions(cid);
      // Sending reads, also before it is saved.
      const sent = new Map(unsaved.map(({ send, seq }) => [send.from, seq]));
      const raised = stored.map((own) => ({ ...own, lastRead: Math.max(own.lastRead, sent.get(own.uid) ?? 0) }));
      for (const { uid } of stored) sent.delete(uid);
      return [...raised, ...[...sent].map(([uid, lastRead]) => ({ uid, lastRead, delivered: 0 }))];
    },

    async messages(cid, options) {
      if (epochs.shows === undefined) return reads.messages(cid, options);
      const { after, before = Number.POSITIVE_INFINITY, limit } = options;
      const from = (head: number) => after ?? Math.min(before - 1, head) - limit;
      const [pending, saved] = await bySeq(cid, from, limit, () => reads.messages(cid, options));
      if (after !== undefined) return joined(saved, pending, after, limit);
      const fits = pending.filter(({ seq }) => seq < before);
      const first = fits[0]?.seq ?? Number.POSITIVE_INFINITY;
      return [...saved.filter(({ seq }) => seq < first), ...fits.map(toMessage)].slice(-limit);
    },

    async changes(cid, options) {
      if (epochs.shows === undefined) return reads.changes(cid, options);
      const { after, limit } = options;
      const [pending, saved] = await byRev(cid, after, limit, () => reads.changes(cid, options));
      return [...saved, ...behind(pending, saved.at(-1)?.rev ?? after, ({ rev }) => rev).map(toEntry)].slice(0, limit);
    },

    async replay(cid, options) {
      if (epochs.shows === undefined) return reads.replay(cid, options);
      const { by, after, limit, maxBytes } = options;
      const read = () => reads.replay(cid, options);
      const [pending, page] = await (by === 'rev' ? byRev(cid, after, limit, read) : bySeq(cid, () => after, limit, read));
      const count = page.ends.length;
      const more =
        by === 'rev'
          ? behind(pending, page.revs.at(-1) ?? after, ({ rev }) => rev)
          : // Messages come without a hole.
            behind(pending, after + count, ({ seq }) => seq);
      const bytes = page.ends.at(-1) ?? 0;
      if (more.length === 0 || count >= limit || (count > 0 && bytes >= maxBytes)) return page;
      return concat(page, replayOf(more.slice(0, limit - count).map(toEntry), Math.max(1, maxBytes - bytes)));
    },
  };
}

async function headsOf(deps: AcceptedReadsDeps, uid: string, cids: readonly string[]): Promise<(ConversationHead | undefined)[]> {
  const { reads, epochs, clock } = deps;
  const until = clock.elapsed() + SETTLE_MS;
  for (;;) {
    const heads = await reads.heads(uid, cids);
    const open = heads.filter((head) => head !== undefined && head.epoch !== 0) as ConversationHead[];
    if (open.length === 0) return heads;
    if (open.every(({ epoch }) => epoch === epochs.epoch)) {
      if (epochs.shows === undefined) return heads;
      const tails = await tailsOf(
        deps,
        open.map(({ cid }) => cid),
      );
      // One that was closed in between is in the store whole by now.
      if (!tails.includes(undefined)) return withTails(deps, uid, heads, new Map(open.map(({ cid }, i) => [cid, tails[i]!])));
    }
    if (clock.elapsed() >= until) throw new ChatError('store_unavailable');
    await epochs.change(LOOK_MS);
  }
}

function withTails(
  deps: AcceptedReadsDeps,
  uid: string,
  heads: readonly (ConversationHead | undefined)[],
  tails: ReadonlyMap<string, AcceptTail>,
): Promise<(ConversationHead | undefined)[]> {
  return Promise.all(
    heads.map(async (head) => {
      const tail = head === undefined ? undefined : tails.get(head.cid);
      if (head === undefined || tail === undefined || tail.head <= head.head) return head;
      return withOwn(ahead(head, tail), uid, await unsavedOf(deps, head.cid, tail));
    }),
  );
}

/** Sending reads, also before it is saved. */
function withOwn<T extends { readonly lastRead: number }>(own: T, uid: string, unsaved: readonly Accepted[]): T {
  const sent = unsaved.findLast(({ send }) => send.from === uid)?.seq ?? 0;
  return sent > own.lastRead ? { ...own, lastRead: sent } : own;
}

function unsavedOf(deps: AcceptedReadsDeps, cid: string, tail: AcceptTail): Promise<Accepted[]> {
  return pendingOf(deps, cid, { after: tail.savedRev, limit: tail.rev - tail.savedRev });
}

/** With the newest message, where that is not saved yet. */
async function withLast(deps: AcceptedReadsDeps, uid: string, views: readonly ConversationView[]): Promise<ConversationView[]> {
  const tails = await tailsOf(
    deps,
    views.map(({ cid }) => cid),
  );
  return Promise.all(
    views.map(async (view, i) => {
      const tail = tails[i];
      if (tail === undefined || tail.head <= view.head) return view;
      const unsaved = await unsavedOf(deps, view.cid, tail);
      const last = unsaved.at(-1);
      // Saved since the view was read.
      if (last === undefined) return (await deps.reads.conversationView(uid, view.cid)) ?? view;
      // `updatedAt` stays: the next page goes on behind it, and the store knows no other.
      return { ...withOwn(ahead(view, tail), uid, unsaved), lastMessage: toMessage(last) };
    }),
  );
}

function ahead<T extends { readonly head: number; readonly rev: number }>(own: T, tail: AcceptTail | undefined): T & { saved?: number } {
  if (tail === undefined || tail.rev <= own.rev) return own;
  return { ...own, head: Math.max(own.head, tail.head), rev: tail.rev, saved: own.head };
}

async function tailsOf({ epochs, accept }: AcceptedReadsDeps, cids: readonly string[]): Promise<(AcceptTail | undefined)[]> {
  const epoch = epochs.shows;
  if (epoch === undefined || cids.length === 0) return cids.map(() => undefined);
  return orUnavailable(accept.tails(epoch, cids));
}

/** What is read here may be told to a client: this node answers for it from now on. */
async function pendingOf(
  { epochs, accept, unsaved, clock }: AcceptedReadsDeps,
  cid: string,
  options: { after: number; limit: number },
): Promise<Accepted[]> {
  const epoch = epochs.shows;
  if (epoch === undefined) return [];
  const pending = await orUnavailable(accept.pending(epoch, cid, options));
  for (const accepted of pending) unsaved.note(accepted, clock.elapsed());
  return pending;
}

function orUnavailable<T>(read: Promise<T>): Promise<T> {
  return read.catch((error: unknown) => {
    throw error instanceof AcceptLogAway ? new ChatError('store_unavailable', { cause: error }) : error;
  });
}

/** Those that go on densely behind a number. */
function behind(pending: readonly Accepted[], last: number, numberOf: (accepted: Accepted) => number): Accepted[] {
  let next = last + 1;
  return pending.filter((accepted) => numberOf(accepted) === next && next++ > 0);
}

function joined(saved: readonly MessageRecord[], pending: readonly Accepted[], after: number, limit: number): MessageRecord[] {
  return [...saved, ...behind(pending, saved.at(-1)?.seq ?? after, ({ seq }) => seq).map(toMessage)].slice(0, limit);
}

function toMessage({ send, seq, rev }: Accepted): MessageRecord {
  return recordOf(send, seq, rev);
}

function toEntry(accepted: Accepted): LogEntry {
  return { op: 'message', cid: accepted.send.cid, rev: accepted.rev, message: toMessage(accepted) };
}

function concat(a: ReplayPage, b: ReplayPage): ReplayPage {
  if (a.ends.length === 0) return b;
  const shift = a.bytes.length + 1;
  const bytes = new Uint8Array(shift + b.bytes.length);
  bytes.set(a.bytes);
  bytes[shift - 1] = COMMA;
  bytes.set(b.bytes, shift);
  return {
    bytes,
    ends: Uint32Array.from([...a.ends, ...Array.from(b.ends, (end) => end + shift)]),
    revs: Float64Array.from([...a.revs, ...b.revs]),
    removals: [...a.removals, ...b.removals],
  };
}

const COMMA = 0x2c;
