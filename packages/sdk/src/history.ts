import type { http } from '@gapless/protocol';
import { Backoff } from './backoff.ts';
import { GaplessError, retryOf } from './errors.ts';
import type { Timeline } from './timeline.ts';

const PAGE = 50;

export interface HistoryOptions {
  readonly timeline: Timeline;
  readonly messages: (page: { before: number; limit: number }) => Promise<http.MessagePage>;
  /** Needed with the first page: what is shown first is whole. */
  readonly fetchDetails: () => Promise<void>;
  readonly onNewest: () => void;
  readonly onOlder: () => void;
  /** Refused for good. */
  readonly onRefused: (code: string) => void;
}

/** Loads one conversation backwards from where the live messages begin, page by page. */
export class History {
  readonly #options: HistoryOptions;
  /** Of the running load; raising it ends that. */
  #load = 0;
  #loading = false;
  #older: Promise<void> | undefined;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#load++;
    this.#loading = false;
    // What is on its way goes nowhere: the next call is another.
    this.#older = undefined;
  }

  loadOlder(): Promise<void> {
    if (this.#older !== undefined) return this.#older;
    const older = this.#loadOlder().finally(() => {
      if (this.#older === older) this.#older = undefined;
    });
    return (this.#older = older);
  }

  async #loadOlder(): Promise<void> {
    const load = this.#load;
    const { timeline, messages, onOlder } = this.#options;
    if (!timeline.hasOlder) return;
    const page = await messages({ before: timeline.first, limit: PAGE });
    if (load !== this.#load || !timeline.loaded) return;
    if (!take(timeline, page)) throw new GaplessError('internal', 'The page of history does not fit.');
    onOlder();
  }

  /** The newest page, unless it is there or on its way; until it works. */
  async loadNewest(): Promise<void> {
    const { timeline, messages, fetchDetails, onNewest, onRefused } = this.#options;
    if (timeline.loaded || this.#loading) return;
    const load = ++this.#load;
    this.#loading = true;
    const backoff = new Backoff();
    while (load === this.#load) {
      try {
        const { first } = timeline;
        const [page] = await Promise.all([first === 1 ? { items: [], head: 0 } : messages({ before: first, limit: PAGE }), fetchDetails()]);
        if (load !== this.#load) return;
        if (!take(timeline, page)) throw new GaplessError('internal', 'The page of history does not end at the head.');
        this.#loading = false;
        return onNewest();
      } catch (error) {
        if (load !== this.#load) return;
        if (error instanceof GaplessError && retryOf(error.code) === 'never') return onRefused(error.code);
        await backoff.sleep();
      }
    }
  }
}

function take(timeline: Timeline, { items, head, saved = head }: http.MessagePage): boolean {
  timeline.savedUpTo(saved);
  return timeline.prepend(items);
}
