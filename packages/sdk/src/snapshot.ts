import type { http } from '@gapless/protocol';
import type { Details } from './details.ts';
import { MessageViews } from './message-view.ts';
import type { Receipts } from './receipts.ts';
import type { Entry } from './send-queue.ts';
import type { Timeline } from './timeline.ts';
import type { Message, MessageStatus, TimelineSnapshot } from './types.ts';

/** What a snapshot is made of. */
export interface Shown {
  readonly timeline: Timeline;
  readonly details: Details;
  readonly receipts: Receipts;
  /** Of the send queue, in the order of the calls. */
  readonly entries: readonly Entry[];
  readonly userId: string | undefined;
  readonly head: number;
  readonly lastRead: number;
  readonly typing: readonly string[];
  readonly error: string | undefined;
}

/** Where no seq fits, and none is cut off. */
const NOTHING = { first: 0, newest: -1 };

/** What a message of the wire is seen in. */
interface Context {
  readonly userId: string | undefined;
  /** Newest seq that is known to be saved. */
  readonly saved: number;
  readonly statusOf?: (seq: number) => MessageStatus;
  /** The queue's, of the same mid. */
  readonly entry?: Entry | undefined;
}

/** Builds the snapshots of one conversation: the timeline, then what the queue has beyond it. */
export class Snapshots {
  readonly #views = new MessageViews();

  build({ timeline, details, receipts, entries, userId, head, lastRead, typing, error }: Shown): TimelineSnapshot {
    const { loaded, hasOlder, messages, saved } = timeline;
    const { participants, complete, title, kind } = details;
    const statusOf = receipts.statusOf(
      participants.filter((participant) => participant.userId !== userId),
      complete,
    );
    const queued = new Map(entries.map((entry) => [entry.item.mid, entry]));
    const shown = messages.map((message) => {
      const entry = message.from === userId ? queued.get(message.mid) : undefined;
      // Each mid once, where it stands.
      if (loaded && entry !== undefined) queued.delete(message.mid);
      return this.message(message, { userId, saved, statusOf, entry });
    });
    const unseen = this.#unseen([...queued.values()], userId ?? '', loaded ? timeline : NOTHING);
    return {
      messages: loaded ? [...shown, ...unseen] : unseen,
      loaded,
      hasOlder,
      head,
      lastRead,
      unread: Math.max(0, head - lastRead),
      typing,
      receipts: receipts.positions,
      participants,
      ...(title === undefined ? {} : { title }),
      ...(kind === undefined ? {} : { kind }),
      ...(error === undefined ? {} : { error }),
    };
  }

  /** One of the wire. Only own ones have a status: that of the queue while they are on their way. */
  message(message: http.Message, { userId, saved, statusOf = () => 'sent', entry }: Context): Message {
    const stage = message.seq > saved ? message.stage : undefined;
    if (message.from !== userId) return this.#views.wire(message, stage);
    const onItsWay = entry?.status === 'sent' ? undefined : entry?.status;
    return this.#views.wire(message, stage, onItsWay ?? stage ?? statusOf(message.seq));
  }

  /** The queue's: those that have a seq, by seq, then the others. A seq shows only where it leaves no gap; below `first` they are not loaded. */
  #unseen(entries: readonly Entry[], from: string, { first, newest }: { first: number; newest: number }): Message[] {
    let next = newest + 1;
    return entries
      .filter(({ given }) => given === undefined || given.seq >= first)
      .sort((a, b) => placeOf(a) - placeOf(b))
      .map((entry) => this.#views.entry(entry, from, entry.given?.seq === next ? next++ : undefined));
  }
}

function placeOf({ given }: Entry): number {
  return given?.seq ?? Number.MAX_SAFE_INTEGER;
}
