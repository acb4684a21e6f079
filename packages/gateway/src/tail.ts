import { assert } from '@gapless/kit';
import { type Encoding, Frame, joinFrames } from './frame.ts';

export interface TailLimits {
  /** Text kept of one conversation; who is further behind reads the store. */
  maxBytes: number;
  /** As much more for each listener: the more there are, the dearer it is to let them all fall behind. */
  bytesPerListener: number;
  /** Even so, no more than this. */
  ceilingBytes: number;
  /** Frames older than this are let go at the next sweep: every writable connection has them long since. */
  maxAgeMs: number;
}

/** How far a tail may grow beyond its bound before it is cut back to it. */
const SLACK = 1.125;

interface Entry {
  frame: Frame;
  readonly at: number;
}

interface Run {
  readonly to: number;
  readonly bytes: Buffer;
}

/** The newest frames of one conversation, dense in rev, shared by all its subscriptions. */
export class Tail {
  /** Oldest rev that is here; `head + 1` when none is. */
  #first: number;
  #head: number;
  #entries: Entry[] = [];
  #bytes = 0;
  /** Frames up to here say nothing of being accepted only. */
  #savedRev = 0;
  readonly #limits: TailLimits;
  /** The last run handed out, by encoding: a room's sockets mostly ask for the same. */
  #cached: { from: number; upTo: number; run: Run }[] = [];

  constructor(head: number, limits: TailLimits) {
    this.#head = head;
    this.#first = head + 1;
    this.#limits = limits;
  }

  get head(): number {
    return this.#head;
  }

  /** Whether everything after `rev` is here. */
  covers(rev: number): boolean {
    return rev + 1 >= this.#first;
  }

  append(rev: number, frame: Frame, now: number, listeners = 0): void {
    assert(rev === this.#head + 1, `tail at ${this.#head} gets rev ${rev}`);
    this.#head = rev;
    const kept = rev <= this.#savedRev ? asSaved(frame) : frame;
    this.#entries.push({ frame: kept, at: now });
    this.#bytes += kept.text.length;
    const { maxBytes, bytesPerListener, ceilingBytes } = this.#limits;
    const most = Math.min(ceilingBytes, maxBytes + listeners * bytesPerListener);
    // Some more than that at times: letting go one by one would move all the rest each time.
    if (this.#bytes <= most * SLACK) return;
    let drop = 0;
    while (this.#bytes > most && drop < this.#entries.length - 1) this.#bytes -= this.#entries[drop++]!.frame.text.length;
    this.#drop(drop);
  }

  /** What is accepted up to that rev is saved: who gets it from now on is told nothing else. */
  saved(rev: number): void {
    for (let i = Math.max(this.#first, this.#savedRev + 1); i <= Math.min(rev, this.#head); i++) {
      const entry = this.#entries[i - this.#first]!;
      this.#bytes -= entry.frame.text.length;
      entry.frame = asSaved(entry.frame);
      this.#bytes += entry.frame.text.length;
    }
    this.#savedRev = Math.max(this.#savedRev, rev);
    this.#cached = [];
  }

  /** Starts anew behind a hole: what lies before `rev` is in the store. */
  skipTo(rev: number): void {
    this.#head = rev;
    this.#first = rev + 1;
    this.#entries = [];
    this.#bytes = 0;
    this.#cached = [];
  }

  /** What follows `after` up to `upTo`, at most about `maxBytes` (at least one frame), encoded once for all who ask for the same. */
  run(after: number, encoding: Encoding, { upTo, maxBytes }: { upTo: number; maxBytes: number }): Run {
    assert(after < upTo && upTo <= this.#head && this.covers(after), `tail ${this.#first}..${this.#head} is asked for ${after}..${upTo}`);
    const cached = this.#cached[encoding];
    if (cached !== undefined && cached.from === after && cached.upTo === upTo) return cached.run;
    const frames: Frame[] = [];
    let bytes = 0;
    for (let i = after + 1 - this.#first; i <= upTo - this.#first; i++) {
      const { frame } = this.#entries[i]!;
      bytes += frame.text.length;
      if (frames.length > 0 && bytes > maxBytes) break;
      frames.push(frame);
    }
    const run = { to: after + frames.length, bytes: joinFrames(frames, encoding) };
    this.#cached[encoding] = { from: after, upTo, run };
    return run;
  }

  /** Lets go what is older than the limit, or than `keepMs` if that is longer. */
  sweep(now: number, keepMs = 0): void {
    this.#cached = [];
    const oldest = now - Math.max(this.#limits.maxAgeMs, keepMs);
    let drop = 0;
    while (drop < this.#entries.length && this.#entries[drop]!.at < oldest) this.#bytes -= this.#entries[drop++]!.frame.text.length;
    this.#drop(drop);
  }

  #drop(count: number): void {
    if (count === 0) return;
    this.#entries = this.#entries.slice(count);
    this.#first += count;
  }
}

/** As rendered, the stage is the last field. */
const ACCEPTED = ',"stage":"accepted"}';

function asSaved(frame: Frame): Frame {
  return frame.text.endsWith(ACCEPTED) ? new Frame(`${frame.text.slice(0, -ACCEPTED.length)}}`) : frame;
}
