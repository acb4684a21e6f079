/** What Redis was told of a user: nothing, that it is here, or that it was here before Redis lost its data. */
type Told = 'nothing' | 'here' | 'lost';

interface Entry {
  readonly conns: Set<string>;
  told: Told;
  /** When the lease was last renewed, by this node's clock. */
  renewedAt: number;
}

/** What the script is told of one user; the modes are explained there. */
export interface Step {
  readonly uid: string;
  readonly mode: 'tell' | 'quiet' | 'known';
  readonly left: boolean;
}

/**
 * The users with a connection on this node, and which of them Redis has to hear of. A user has one lease per node, however many
 * connections; a touch only counts when the lease is `renewMs` old.
 */
export class Registry {
  readonly #renewMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #due = new Set<string>();

  constructor(renewMs: number) {
    this.#renewMs = renewMs;
  }

  get due(): number {
    return this.#due.size;
  }

  isHere(uid: string): boolean {
    return (this.#entries.get(uid)?.conns.size ?? 0) > 0;
  }

  touch(uid: string, conn: string, now: number): void {
    let entry = this.#entries.get(uid);
    if (entry === undefined) {
      entry = { conns: new Set(), told: 'nothing', renewedAt: 0 };
      this.#entries.set(uid, entry);
    }
    // The clock may have been set back: then the age is negative, and large.
    if (entry.conns.size === 0 || Math.abs(now - entry.renewedAt) >= this.#renewMs) this.#due.add(uid);
    entry.conns.add(conn);
  }

  leave(uid: string, conn: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.conns.delete(conn) && entry.conns.size === 0) this.#due.add(uid);
  }

  leaveAll(): void {
    for (const entry of this.#entries.values()) entry.conns.clear();
    this.tellAll();
  }

  /** The lease of a user ended although it may be here (this node was away): the next touch renews it. */
  leaseEnded(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry !== undefined) entry.renewedAt = 0;
  }

  tellAll(): void {
    for (const uid of this.#entries.keys()) this.#due.add(uid);
  }

  /** Redis has none of it any more. */
  dataLost(): void {
    for (const entry of this.#entries.values()) if (entry.told === 'here') entry.told = 'lost';
    this.tellAll();
  }

  /** At most `count` users that are due. Each batch is either `confirm`ed or `returned`. */
  take(count: number): Step[] {
    const steps: Step[] = [];
    for (const uid of this.#due) {
      if (steps.length === count) break;
      this.#due.delete(uid);
      const entry = this.#entries.get(uid);
      if (entry !== undefined) steps.push(stepOf(uid, entry));
    }
    return steps;
  }

  confirm(steps: readonly Step[], sentAt: number): void {
    for (const { uid, left } of steps) {
      const entry = this.#entries.get(uid)!;
      entry.told = 'here';
      entry.renewedAt = sentAt;
      if (left && entry.conns.size === 0) this.#entries.delete(uid);
    }
  }

  /** Whether Redis took them is not known. Saying it twice changes nothing. */
  returned(steps: readonly Step[]): void {
    for (const { uid } of steps) this.#due.add(uid);
  }
}

function stepOf(uid: string, { conns, told }: Entry): Step {
  const left = conns.size === 0;
  if (told === 'lost') return { uid, mode: 'quiet', left };
  // A lease that is not there any more has ended, and that was told: a late leave must not begin another.
  return { uid, mode: left && told === 'here' ? 'known' : 'tell', left };
}
