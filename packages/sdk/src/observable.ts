import type { Observable } from './types.ts';

const pending = new Set<() => void>();

/** Runs `flush` once at the end of this turn, however often it is asked for. */
function schedule(flush: () => void): void {
  if (pending.size === 0)
    queueMicrotask(() => {
      const flushes = [...pending];
      pending.clear();
      for (const each of flushes) each();
    });
  pending.add(flush);
}

/**
 * A snapshot that is built only when someone looks after a change.
 *
 * - `changed()` makes the next `getSnapshot` build a new one; until then the same object is returned.
 * - Listeners are told once per microtask, after all changes of the turn.
 */
export class Derived<T> implements Observable<T> {
  readonly #build: () => T;
  readonly #listeners = new Set<() => void>();
  #snapshot: T | undefined;
  readonly #flush = () => {
    for (const listener of [...this.#listeners]) callListener(listener);
  };

  constructor(build: () => T) {
    this.#build = build;
  }

  // Arrow functions: the pair is handed to useSyncExternalStore without its object.
  readonly subscribe = (listener: () => void): (() => void) => {
    // Wrapped: the same function subscribed twice is two subscriptions.
    const entry = () => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };

  readonly getSnapshot = (): T => (this.#snapshot ??= this.#build());

  changed(): void {
    this.#snapshot = undefined;
    if (this.#listeners.size > 0) schedule(this.#flush);
  }
}

/** A listener that throws must not stop the others, nor the client: its error is reported like any uncaught one. */
export function callListener<A extends unknown[]>(listener: (...args: A) => void, ...args: A): void {
  try {
    listener(...args);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
