import type { http } from '@gapless/protocol';
import type { Entry } from './send-queue.ts';
import type { Message, MessageStatus } from './types.ts';

/** Messages as the app sees them. The same object as long as nothing about it changed: rows are memoised. */
export class MessageViews {
  readonly #ofWire = new WeakMap<http.Message, Message>();
  readonly #ofEntry = new WeakMap<Entry, Message>();

  wire(message: http.Message, stage: Message['stage'], status?: MessageStatus): Message {
    let view = this.#ofWire.get(message);
    if (view === undefined || view.status !== status || view.stage !== stage) {
      const { rev: _rev, stage: _stage, t: _t, ...fields } = message as http.Message & { t?: string };
      view = { ...fields, ...(status === undefined ? {} : { status }), ...(stage === undefined ? {} : { stage }) };
      this.#ofWire.set(message, view);
    }
    return view;
  }

  /** One of the queue. It shows its seq only where that leaves no gap. */
  entry(entry: Entry, from: string, seq: number | undefined): Message {
    let view = this.#ofEntry.get(entry);
    if (view === undefined || view.from !== from || view.seq !== seq) {
      const { createdAt, ...fields } = entry.item;
      view = {
        ...fields,
        from,
        at: entry.given?.at ?? createdAt,
        status: entry.status,
        ...(seq === undefined ? {} : { seq }),
        ...(entry.error === undefined ? {} : { error: entry.error }),
      };
      this.#ofEntry.set(entry, view);
    }
    return view;
  }
}
