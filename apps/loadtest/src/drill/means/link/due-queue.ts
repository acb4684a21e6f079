/** Holds things until they are due, and gives them out in the order of their times; of equal times, as they came. */
export class DueQueue<T> {
  readonly #waiting: { readonly at: number; readonly item: T }[] = [];

  add(at: number, item: T): void {
    // Most are due later than all before.
    let place = this.#waiting.length;
    while (place > 0 && this.#waiting[place - 1]!.at > at) place--;
    this.#waiting.splice(place, 0, { at, item });
  }

  /** Takes out what is due. */
  take(now: number): T[] {
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count]!.at <= now) count++;
    return this.#waiting.splice(0, count).map(({ item }) => item);
  }

  /** When the next is due. */
  get next(): number | undefined {
    return this.#waiting[0]?.at;
  }
}
