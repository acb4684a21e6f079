/** A digest of everything that happened, in its order: two runs are the same if theirs are. Two lanes of 32 bits, quick rather than secure. */
export class EventHash {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;

  number(value: number): void {
    // Times are fractions of a millisecond.
    const low = (value * 4_096) | 0;
    this.#a = Math.imul(this.#a ^ low, 0x01000193);
    this.#b = Math.imul((this.#b ^ low) + (this.#b << 6), 0x85ebca6b);
  }

  text(value: string): void {
    let a = this.#a;
    let b = this.#b;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b + code, 0x85ebca6b) ^ (b >>> 15);
    }
    this.#a = a;
    this.#b = b;
  }

  get digest(): string {
    return [this.#a, this.#b].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
