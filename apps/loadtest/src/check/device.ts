import type { EventOf } from './event.ts';

/** A message that a device was shown under a second number. */
interface Again {
  readonly device: string;
  readonly id: string;
  readonly before: number;
  readonly seq: number;
}

interface Device {
  /** The newest seq it has seen or heard of. */
  seen: number;
  /** It was shown everything from here up to before `next`; undefined until the first message after a `reset`. */
  from: number | undefined;
  next: number;
  /** Numbers of which it was told that they are lost. */
  readonly told: Set<number>;
}

/** What the devices of one conversation have seen over all their connections. Memory: an entry per message and per device. */
export class DevicesCheck {
  readonly #devices = new Map<string, Device>();
  /** The numbers under which each message was shown to anybody: one, and further ones. */
  readonly #first = new Map<string, number>();
  readonly #further = new Map<string, Set<number>>();
  /** Where a device saw a second number and had not been told that the one before is lost. */
  readonly again: Again[] = [];
  /** Joins to which the server said `reset`. */
  resets = 0;
  /** Joins of a device that had been there before, and did not say how far it was. */
  withoutPosition = 0;

  /** Returns the newest seq that it had seen before. */
  joined(device: string, { head, since, reset }: EventOf<'joined'>): number {
    const state = this.#of(device);
    const seen = state.seen;
    state.seen = Math.max(seen, head);
    if (reset === true) this.resets++;
    else if (since === undefined && state.next > 0) this.withoutPosition++;
    if (reset === true) state.from = undefined;
    else if (since === undefined || state.next === 0) state.from = state.next = (since ?? head) + 1;
    return seen;
  }

  received(device: string, id: string, { seq, lost }: Pick<EventOf<'recv'>, 'seq' | 'lost'>): void {
    const state = this.#of(device);
    state.seen = Math.max(state.seen, seq);
    state.from ??= seq;
    state.next = Math.max(state.next, seq + 1);
    if (lost === true) state.told.add(seq);
    else for (const before of this.#others(id, seq)) if (shows(state, before, seq)) this.again.push({ device, id, before, seq });
  }

  told(device: string, seqs: readonly number[]): void {
    for (const seq of seqs) this.#of(device).told.add(seq);
  }

  /** Notes the number, and gives those that the message had elsewhere. */
  #others(id: string, seq: number): Iterable<number> {
    const first = this.#first.get(id);
    if (first === undefined) this.#first.set(id, seq);
    const further = this.#further.get(id);
    if (first === undefined || (first === seq && further === undefined)) return [];
    if (further === undefined) this.#further.set(id, new Set([first, seq]));
    return [...this.#further.get(id)!.add(seq)].filter((other) => other !== seq);
  }

  #of(device: string): Device {
    let state = this.#devices.get(device);
    if (state === undefined) this.#devices.set(device, (state = { seen: 0, from: undefined, next: 0, told: new Set() }));
    return state;
  }
}

function shows({ from, told }: Device, before: number, seq: number): boolean {
  return before < seq && from !== undefined && before >= from && !told.has(before);
}
