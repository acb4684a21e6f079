/** A read position, and the rev of the message that moved it. */
export interface ReadPosition {
  readonly cid: string;
  readonly uid: string;
  readonly pos: number;
  readonly rev: number;
}

/** Read positions by conversation and user. Of two positions of one user the larger one counts. */
export class ReadPositions {
  readonly #byCid = new Map<string, Map<string, ReadPosition>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  raise(position: ReadPosition): void {
    const { cid, uid, pos } = position;
    let users = this.#byCid.get(cid);
    if (users === undefined) this.#byCid.set(cid, (users = new Map()));
    const before = users.get(uid);
    if (before === undefined) this.#size++;
    else if (before.pos >= pos) return;
    users.set(uid, position);
  }

  /** 0 where there is none. */
  get(cid: string, uid: string): number {
    return this.#byCid.get(cid)?.get(uid)?.pos ?? 0;
  }

  usersOf(cid: string): Iterable<string> {
    return this.#byCid.get(cid)?.keys() ?? [];
  }

  /** The one that is older than `rev`. */
  delete(cid: string, uid: string, rev: number): void {
    const users = this.#byCid.get(cid);
    const position = users?.get(uid);
    if (users === undefined || position === undefined || position.rev > rev) return;
    users.delete(uid);
    this.#size--;
    if (users.size === 0) this.#byCid.delete(cid);
  }

  *[Symbol.iterator](): Generator<ReadPosition> {
    for (const users of this.#byCid.values()) yield* users.values();
  }
}
