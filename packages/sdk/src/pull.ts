import type { DownFrameOf } from '@gapless/protocol';

type Head = DownFrameOf<'head'>;

/** For what the user just wrote: nobody shall wait for the own message. */
const SOON_MS = 300;

export interface PullerOptions {
  readonly pull: () => void;
  /** Newest rev that is here. */
  readonly rev: () => number;
}

/**
 * Asks for what a large conversation does not send by itself, at moments of its own choice, so that a hundred thousand do not ask at once.
 *
 * - `notify`: once for each notice, within its time, unless what it tells of is here by then. `none`: about every `waitMs`. `push`: never.
 * - A page that nobody sees asks for nothing; it does when it is seen again.
 */
export class Puller {
  readonly #options: PullerOptions;
  #mode: Head['mode'] = 'push';
  #waitMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  /** Newest rev that was told of. */
  #toldRev = 0;
  /** Came due while nobody was looking. */
  #missed = false;
  readonly #onVisibility = () => {
    if (this.#missed && !hidden()) this.#now();
  };

  constructor(options: PullerOptions) {
    this.#options = options;
  }

  /** Nothing comes by itself. */
  get active(): boolean {
    return this.#mode !== 'push';
  }

  onHead({ mode, waitMs, rev }: Head): void {
    if (mode === 'push') return this.stop();
    if (!this.active) globalThis.document?.addEventListener('visibilitychange', this.#onVisibility);
    const changed = mode !== this.#mode;
    this.#mode = mode;
    this.#waitMs = waitMs;
    if (mode === 'notify') this.#tell(rev, Math.random() * waitMs);
    else if (changed) this.#loop();
  }

  /** An own message has this rev; without one it is newer than what is here. */
  onOwn(rev = this.#options.rev() + 1): void {
    if (this.active) this.#tell(rev, Math.random() * SOON_MS);
  }

  onRefused(retryAfterMs: number): void {
    if (this.active) this.#within(retryAfterMs);
  }

  /** The conversation was left, or comes by itself from here on. */
  stop(): void {
    globalThis.document?.removeEventListener('visibilitychange', this.#onVisibility);
    this.#mode = 'push';
    this.#missed = false;
    this.#toldRev = 0;
    this.#clear();
  }

  #tell(rev: number, delayMs: number): void {
    this.#toldRev = Math.max(this.#toldRev, rev);
    if (this.#isNews()) this.#within(delayMs);
  }

  #isNews(): boolean {
    return this.#toldRev > this.#options.rev();
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  /** No later than that; one that comes sooner does for both. */
  #within(delayMs: number): void {
    const dueAt = Date.now() + delayMs;
    if (dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#now(), delayMs);
  }

  #loop(): void {
    this.#clear();
    if (this.#mode === 'none') this.#within(this.#waitMs * (0.5 + Math.random()));
  }

  #now(): void {
    this.#loop();
    if (this.#mode === 'notify' && !this.#isNews()) return;
    this.#missed = hidden();
    if (!this.#missed) this.#options.pull();
  }
}

function hidden(): boolean {
  return globalThis.document?.visibilityState === 'hidden';
}
