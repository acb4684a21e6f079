import type { Timeline } from './timeline.ts';
import { LOST } from './timeline.ts';

type Entry = Timeline['messages'][number];

/** Accepted messages of which is remembered that listeners heard them; far more than are ever lost at once. */
const HEARD_MAX = 1_000;

/** What listeners of `message` have heard of one conversation: each message once, in order, those before the first join never. */
export class News {
  /** Newest seq given to the listeners. */
  #emitted: number | undefined;
  /** Mids that they heard before they were saved: they may come again under another seq. */
  readonly #heard = new Set<string>();

  /** Joined at this head: what stands up to it is no news, and neither what was heard before. */
  startAt(head: number): void {
    this.#emitted = Math.min(this.#emitted ?? head, head);
  }

  forget(): void {
    this.#emitted = undefined;
  }

  /** What nobody has heard yet, oldest first. */
  *take({ loaded, messages, first, newest }: Timeline): Generator<Entry> {
    if (!loaded) return;
    for (const message of messages.slice(Math.max((this.#emitted ?? newest) + 1 - first, 0))) {
      this.#emitted = message.seq;
      if (message.kind === LOST || this.#heard.has(message.mid)) continue;
      if (message.stage !== undefined) this.#remember(message.mid);
      yield message;
    }
  }

  #remember(mid: string): void {
    this.#heard.add(mid);
    if (this.#heard.size > HEARD_MAX) this.#heard.delete(this.#heard.values().next().value!);
  }
}
