import type { Topic, TopicListener } from '@gapless/core';
import type { Line } from './line.ts';

/** One topic of this process: who listens here, and whether the server was told. */
interface Wish {
  readonly topic: Topic;
  readonly listeners: Set<TopicListener>;
  /** The line that listens to it. */
  on: Line | undefined;
  /** While something is asked of a line. One at a time, so that the last wish is also the last command. */
  following: Promise<void> | undefined;
  /** Resolved while it is on; rejects when the line refuses. */
  listened: PromiseWithResolvers<void>;
}

/** What this process wants to hear; each line in turn is made to listen to just that. */
export class Wishes {
  readonly #wishes = new Map<string, Wish>();
  readonly #onError: (error: unknown) => void;
  #line: Line | undefined;
  /** Called when the line is left: what was asked of it gets no answer. */
  readonly #leaving = new Set<(reason: unknown) => void>();

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** `listened` stays pending while there is no line. `stop` is safe to call twice. */
  add(topic: Topic, listener: TopicListener): { listened: Promise<void>; stop: () => void } {
    const wish = this.#wish(topic);
    // One of its own for each call: the same function may listen twice.
    const own: TopicListener = (payload) => listener(payload);
    wish.listeners.add(own);
    this.#follow(wish).catch(() => {});
    const stop = () => {
      if (wish.listeners.delete(own)) this.#follow(wish).catch(() => {});
    };
    return { listened: wish.listened.promise, stop };
  }

  /** Resolves when the line listens to everything that is wanted; what is wanted from now on is asked of it too. */
  async enter(line: Line): Promise<void> {
    this.#line = line;
    await Promise.all([...this.#wishes.values()].map((wish) => this.#follow(wish)));
  }

  /** Its line carries nothing more; nothing that it still brings is heard. */
  leave(): void {
    this.#line = undefined;
    for (const wish of this.#wishes.values()) turnOff(wish);
    const reason = new Error('the line is lost');
    for (const leave of this.#leaving) leave(reason);
  }

  /** Nobody wants anything any more. Who waits is told the reason. */
  clear(reason: unknown): void {
    for (const wish of this.#wishes.values()) {
      wish.listeners.clear();
      wish.listened.reject(reason);
    }
    this.#wishes.clear();
  }

  #wish(topic: Topic): Wish {
    const key = keyOf(topic);
    let wish = this.#wishes.get(key);
    if (wish === undefined) {
      wish = { topic, listeners: new Set(), on: undefined, following: undefined, listened: quiet() };
      this.#wishes.set(key, wish);
    }
    return wish;
  }

  /** Makes the line do as is wished. Rejects when a line that is still there refuses. */
  #follow(wish: Wish): Promise<void> {
    if (wish.following !== undefined) return wish.following;
    if (this.#line !== undefined && this.#differs(wish, this.#line)) return (wish.following = this.#change(wish));
    this.#forget(wish);
    return Promise.resolve();
  }

  async #change(wish: Wish): Promise<void> {
    try {
      for (let line = this.#line; line !== undefined && this.#differs(wish, line); line = this.#line) await this.#step(wish, line);
    } finally {
      wish.following = undefined;
      this.#forget(wish);
    }
  }

  async #step(wish: Wish, line: Line): Promise<void> {
    try {
      if (wish.on === line) {
        turnOff(wish);
        await this.#orLeft(line.unlisten(wish.topic));
      } else {
        await this.#orLeft(line.listen(wish.topic, (payload) => this.#deliver(wish, line, payload)));
        // Left in the same moment: then the next one is asked.
        if (this.#line !== line) return;
        wish.on = line;
        wish.listened.resolve();
      }
    } catch (error) {
      // Of a line that is gone nothing is expected: the next one is asked again.
      if (this.#line !== line) return;
      wish.listened.reject(error);
      wish.listened = quiet();
      throw error;
    }
  }

  #differs(wish: Wish, line: Line): boolean {
    return wish.listeners.size > 0 !== (wish.on === line);
  }

  /** A race with one promise of the line's whole life would keep every answer until its end. */
  async #orLeft(asked: Promise<void>): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    this.#leaving.add(reject);
    try {
      await Promise.race([asked, promise]);
    } finally {
      this.#leaving.delete(reject);
    }
  }

  #forget(wish: Wish): void {
    const key = keyOf(wish.topic);
    if (wish.listeners.size === 0 && wish.on === undefined && this.#wishes.get(key) === wish) this.#wishes.delete(key);
  }

  #deliver(wish: Wish, line: Line, payload: string): void {
    if (this.#line !== line) return;
    for (const listener of [...wish.listeners]) {
      if (!wish.listeners.has(listener)) continue;
      try {
        listener(payload);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}

function turnOff(wish: Wish): void {
  if (wish.on !== undefined) wish.listened = quiet();
  wish.on = undefined;
}

/** Whose rejection nobody need wait for. */
function quiet<T>(): PromiseWithResolvers<T> {
  const resolvers = Promise.withResolvers<T>();
  resolvers.promise.catch(() => {});
  return resolvers;
}

function keyOf({ kind, name }: Topic): string {
  return `${kind}:${name}`;
}
