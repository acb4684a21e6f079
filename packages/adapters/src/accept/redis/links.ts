import { AcceptLogAway } from '@gapless/core';
import { Backoff, type Clock } from '@gapless/kit';
import { type Link, openLink } from './link.ts';
import { UnfitRedis } from './server-info.ts';

/** Between two tries to connect: soon at first, a new epoch may be waiting for it; then often enough to be back within a second. */
const RETRY_MS = 50;
const RETRY_MAX_MS = 1_000;

/** How often a connection on which nothing is asked is tried, so that its end is noticed. */
const PING_MS = 1_000;

export interface LinksOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** The connections of one node: one for everything that is answered at once, and others for reads that wait. */
export class Links {
  readonly #options: LinksOptions;
  readonly #watchers = new Set<() => void>();
  readonly #ended = new AbortController();
  #main: Link | undefined;
  #tries = 0;
  /** Not at work. */
  readonly #readers: Link[] = [];
  readonly #working = new Set<Link>();
  #running: Promise<void> = Promise.resolve();
  #stopPing = () => {};

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  /** Resolves after the first try. @throws UnfitRedis */
  async open(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#running = this.#run((error) => (error instanceof UnfitRedis ? first.reject(error) : first.resolve()));
    this.#stopPing = this.#options.clock.every(PING_MS, () => void this.#main?.call(['PING']).catch(() => {}));
    try {
      await first.promise;
    } catch (error) {
      await this.end();
      throw error;
    }
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** @throws AcceptLogAway */
  get main(): Link {
    if (this.#main === undefined) throw new AcceptLogAway();
    return this.#main;
  }

  watch(restored: () => void): () => void {
    const own = () => restored();
    this.#watchers.add(own);
    return () => this.#watchers.delete(own);
  }

  /** Does something that waits on a connection of its own. Rejects with AcceptLogAway where there is none. */
  async reading<T>(task: (link: Link) => Promise<T>): Promise<T> {
    const link = await this.#reader();
    this.#working.add(link);
    try {
      return await task(link);
    } finally {
      this.#working.delete(link);
      if (link.isOpen) this.#readers.push(link);
    }
  }

  async end(): Promise<void> {
    this.#ended.abort();
    this.#stopPing();
    this.#watchers.clear();
    const cause = new Error('the accept log was ended');
    for (const link of [this.#main, ...this.#readers, ...this.#working]) link?.close(cause);
    await this.#running;
  }

  async #reader(): Promise<Link> {
    for (let link = this.#readers.pop(); link !== undefined; link = this.#readers.pop()) if (link.isOpen) return link;
    // Without the other connection a new one is not tried either: that is done in one place.
    if (this.#main === undefined) throw new AcceptLogAway();
    let link: Link;
    try {
      link = await openLink(this.#options.url, this.#options.clock);
    } catch (error) {
      throw new AcceptLogAway(error);
    }
    if (this.#ended.signal.aborted) link.close(new Error('the accept log was ended'));
    return link;
  }

  /** Connects, again and again. `tried` hears of each try; onError of each outage once. */
  async #run(tried: (error?: unknown) => void): Promise<void> {
    const { url, clock, onError } = this.#options;
    const backoff = new Backoff({ baseMs: RETRY_MS, maxMs: RETRY_MAX_MS, random: Math.random });
    let told = false;
    while (!this.#ended.signal.aborted) {
      let cause: unknown;
      try {
        const link = await openLink(url, clock);
        backoff.reset();
        told = false;
        this.#connected(link);
        tried();
        cause = await link.closed;
        this.#main = undefined;
      } catch (error) {
        cause = error;
        tried(error);
      }
      this.#tries++;
      if (this.#ended.signal.aborted) return;
      if (!told) onError(cause);
      told = true;
      await clock.sleep(backoff.next(), this.#ended.signal);
    }
  }

  #connected(link: Link): void {
    if (this.#ended.signal.aborted) return link.close(new Error('the accept log was ended'));
    this.#main = link;
    if (link.info.maxmemoryPolicy !== 'noeviction')
      this.#options.onError(new Error(`accept log: maxmemory-policy of Redis is ${link.info.maxmemoryPolicy}, set it to noeviction`));
    if (this.#tries > 0) this.#tellRestored();
  }

  #tellRestored(): void {
    for (const restored of [...this.#watchers]) {
      try {
        restored();
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }
}
