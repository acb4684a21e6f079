import type { http } from '@gapless/protocol';
import type { Details } from './details.ts';
import { MessageViews } from './message-view.ts';
import type { Receipts } from './receipts.ts';
import type { Entry } from './send-queue.ts';
import type { Timeline } from './timeline.ts';
import type { Message, TimelineSnapshot } from './types.ts';

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

/** Builds the snapshots of one conversation: the timeline, then what the queue has beyond it. */
export class Snapshots {
  readonly #views = new MessageViews();

  build({ timeline, details, receipts, entries, userId, head, lastRead, typing, error }: Shown): TimelineSnapshot {
    const { loaded, hasOlder, messages, newest } = timeline;
    const { participants, complete, title, kind } = details;
    const statusOf = receipts.statusOf(
      participants.filter((participant) => participant.userId !== userId),
      complete,
    );
    return {
      messages: [
        ...(loaded ? messages.map((message) => this.message(message, userId, statusOf)) : []),
        ...this.#unseen(entries, userId ?? '', loaded ? newest : undefined),
      ],
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

  /** One of the wire. Only own ones have a status. */
  message(message: http.Message, userId: string | undefined, statusOf: (seq: number) => Message['status'] = () => 'sent'): Message {
    return message.from === userId ? this.#views.wire(message, statusOf(message.seq)) : this.#views.wire(message);
  }

  /** The queue's: saved but not seen on the wire, by seq, then unsent. A seq shows only where it leaves no gap. */
  #unseen(entries: readonly Entry[], from: string, newest: number | undefined): Message[] {
    const saved = entries.filter((entry): entry is Entry & { saved: { seq: number } } => entry.saved !== undefined);
    let next = newest === undefined ? undefined : newest + 1;
    return [
      ...saved
        .sort((a, b) => a.saved.seq - b.saved.seq)
        .map((entry) => this.#views.entry(entry, from, entry.saved.seq === next ? next++ : undefined)),
      ...entries.filter((entry) => entry.saved === undefined).map((entry) => this.#views.entry(entry, from, undefined)),
    ];
  }
}
