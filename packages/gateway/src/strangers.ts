import { addressBlock } from '@gapless/core';
import { STRANGERS_PER_ADDRESS_MAX } from '@gapless/protocol';

/** Connections that did not authenticate yet, counted by address: one may have so many of them. */
export class Strangers {
  readonly #counts = new Map<string, number>();

  /** The address it is counted under, or undefined when there is no room. */
  admit(ip: string): string | undefined {
    const block = addressBlock(ip);
    const count = (this.#counts.get(block) ?? 0) + 1;
    if (count > STRANGERS_PER_ADDRESS_MAX) return undefined;
    this.#counts.set(block, count);
    return block;
  }

  /** One is no stranger any more, or is gone: its address may bring the next one. */
  release(block: string): void {
    const left = (this.#counts.get(block) ?? 1) - 1;
    if (left > 0) this.#counts.set(block, left);
    else this.#counts.delete(block);
  }
}
