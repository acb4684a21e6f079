import type { PresenceState } from '@gapless/core';

/** Takes changes in their order, each once, from the channel and from the stream that has what was told while nobody listened here. */
export class Hearing {
  readonly #tell: (state: PresenceState) => void;
  /** Id of the last one that was taken; undefined before it is known where this node begins. */
  #last: string | undefined;
  /** What came by the channel while the stream has not been read yet. */
  #waiting: [id: string, changes: string][] | undefined = [];

  constructor(tell: (state: PresenceState) => void) {
    this.#tell = tell;
  }

  get isComplete(): boolean {
    return this.#waiting === undefined;
  }

  /** Something may have been told that did not come here. */
  interrupted(): void {
    this.#waiting ??= [];
  }

  /** After which id the stream has to be read, if `newest` is its end. */
  from(newest: string): string {
    // What was told before this node was there is not for it.
    this.#last ??= newest;
    // Redis lost its data, and its clock is behind what it was.
    if (isAfter(this.#last, newest)) this.#last = '0-0';
    return this.#last;
  }

  /** What the stream has after that. */
  complete(missed: readonly (readonly [id: string, changes: string])[]): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const [id, changes] of [...missed, ...waiting]) this.#take(id, changes);
  }

  /** A message of the channel: the id, a space, the changes. */
  heard(message: string): void {
    const space = message.indexOf(' ');
    const [id, changes] = [message.slice(0, space), message.slice(space + 1)];
    if (this.#waiting === undefined) this.#take(id, changes);
    else this.#waiting.push([id, changes]);
  }

  #take(id: string, changes: string): void {
    if (this.#last !== undefined && !isAfter(id, this.#last)) return;
    this.#last = id;
    for (const [uid, lastSeen] of JSON.parse(changes) as [string, number?][])
      this.#tell(lastSeen === undefined ? { uid, online: true } : { uid, online: false, lastSeen });
  }
}

/** Ids of a Redis stream: milliseconds and a number within them. */
function isAfter(id: string, other: string): boolean {
  const [ms = 0, n = 0] = id.split('-').map(Number);
  const [otherMs = 0, otherN = 0] = other.split('-').map(Number);
  return ms > otherMs || (ms === otherMs && n > otherN);
}
