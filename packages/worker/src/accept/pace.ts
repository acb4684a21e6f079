import { WINDOW_MIN } from '@gapless/core';

/** A conversation may be so far ahead of the store as it went in that time: so long may the store be away. */
const AHEAD_SEC = 60;

/** Numbers that may turn out to be given to nobody, should all that knew them be gone. */
const WINDOW_MAX = 100_000;

/** A pace is measured over no less. */
const SAMPLE_MS = 1_000;

/** Conversations whose pace is known; the ones unheard of for longest make room. */
const KNOWN_MAX = 20_000;

interface Sample {
  readonly seq: number;
  readonly at: number;
  readonly perSec: number;
}

/** How far each conversation may be ahead of the store. */
export class Paces {
  readonly #samples = new Map<string, Sample>();

  /** The window of a conversation that is saved up to `seq` now; epoch milliseconds. */
  window(cid: string, seq: number, now: number): number {
    const last = this.#samples.get(cid);
    const perSec = last === undefined ? 0 : last.perSec;
    if (last === undefined) this.#keep(cid, { seq, at: now, perSec: 0 });
    else if (now - last.at >= SAMPLE_MS) this.#keep(cid, { seq, at: now, perSec: ((seq - last.seq) * 1_000) / (now - last.at) });
    return Math.min(WINDOW_MAX, Math.max(WINDOW_MIN, Math.ceil(perSec * AHEAD_SEC)));
  }

  #keep(cid: string, sample: Sample): void {
    this.#samples.delete(cid);
    this.#samples.set(cid, sample);
    if (this.#samples.size > KNOWN_MAX) this.#samples.delete(this.#samples.keys().next().value!);
  }
}
