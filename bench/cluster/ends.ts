/** What a part started and must end, whatever becomes of it. */
export class Ends {
  readonly #ends: (() => unknown)[] = [];

  /** `end` may be called after the thing has ended by itself. */
  add<T>(thing: T, end: (thing: T) => unknown): T {
    this.#ends.push(() => end(thing));
    return thing;
  }

  /** Last first. One that fails does not keep the others from ending. */
  async all(): Promise<void> {
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end();
      } catch (error) {
        console.error(`ending: ${(error as Error).message}`);
      }
    }
  }
}
