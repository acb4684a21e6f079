import type { Session } from './session.ts';

/** How long it is held against a device that it was closed for being slow. */
const MEMORY_MS = 60_000;

/** Devices remembered; the oldest goes first. */
const MAX = 10_000;

/**
 * Devices that were closed lately for taking nothing. They come back for megabytes, and mostly do not take those either: until one has
 * caught up, it reads on behind all others.
 */
export class Laggards {
  readonly #until = new Map<string, number>();

  add(session: Session, now: number): void {
    const key = keyOf(session);
    this.#until.delete(key);
    this.#until.set(key, now + MEMORY_MS);
    if (this.#until.size > MAX) this.#until.delete(this.#until.keys().next().value!);
  }

  has(session: Session, now: number): boolean {
    return (this.#until.get(keyOf(session)) ?? 0) > now;
  }
}

function keyOf({ actor, device, deviceNamed }: Session): string {
  return `${actor?.uid} ${deviceNamed ? device : ''}`;
}
