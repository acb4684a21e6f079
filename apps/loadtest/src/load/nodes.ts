/** Which node a client goes to that lost its own: the next in turn, so that the clients of one that is gone spread over all others. */
export class NodeTurns {
  readonly count: number;
  #turn = 0;

  constructor(count: number) {
    this.count = count;
  }

  /** The lost one again only when there is no other. */
  after(lost: number): number {
    this.#next();
    if (this.#turn === lost) this.#next();
    return this.#turn;
  }

  #next(): void {
    this.#turn = (this.#turn + 1) % this.count;
  }
}
