import type { Position } from '@gapless/core';
import { type Encoding, Frame, joinFrames, type Sendable } from './frame.ts';
import type { Subscription } from './subscription.ts';

/**
 * How far everyone is in one conversation with listeners here, for those who join: read from the store once, then kept by what is
 * committed. Its frames are made once for all who ask for the same state.
 */
export class Standings {
  readonly #cid: string;
  readonly #positions = new Map<string, { lastRead: number; delivered: number }>();
  #loading: Promise<void> | undefined;
  /** Removed while what is stored was read: what that says of them is over. */
  #removed: Set<string> | undefined;
  /** At which rev users were removed, the last ones: a message of theirs may be heard of after that. */
  readonly #gone = new Map<string, number>();
  /** By encoding; gone with any change. */
  #packed: Packed[] = [];

  constructor(cid: string) {
    this.#cid = cid;
  }

  /** Reads what is stored, once. What is committed meanwhile counts too. */
  load(read: () => Promise<readonly Position[]>): Promise<void> {
    this.#loading ??= this.#read(read).catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  /** Some may have been missed: what is stored is read again when the next one asks. */
  doubt(): void {
    this.#loading = undefined;
  }

  async #read(read: () => Promise<readonly Position[]>): Promise<void> {
    const removed = (this.#removed = new Set());
    try {
      const stored = await read();
      for (const { uid, lastRead, delivered } of stored) {
        if (removed.has(uid)) continue;
        this.advance('read', uid, lastRead);
        this.advance('delivered', uid, delivered);
      }
    } finally {
      this.#removed = undefined;
    }
  }

  /** False when the user was that far already. */
  advance(op: 'read' | 'delivered', uid: string, pos: number): boolean {
    let place = this.#positions.get(uid);
    if (place === undefined) this.#positions.set(uid, (place = { lastRead: 0, delivered: 0 }));
    const field = op === 'read' ? 'lastRead' : 'delivered';
    if (pos <= place[field]) return false;
    place[field] = pos;
    this.#packed = [];
    return true;
  }

  /** Sending reads; not what was sent before the user was removed. */
  wrote({ from, seq, rev }: { from: string; seq: number; rev: number }): void {
    if (rev > (this.#gone.get(from) ?? 0)) this.advance('read', from, seq);
  }

  /** Removed from the conversation at that rev. */
  forget(uid: string, rev: number): void {
    this.#removed?.add(uid);
    this.#gone.delete(uid);
    this.#gone.set(uid, rev);
    if (this.#gone.size > GONE_MAX) this.#gone.delete(this.#gone.keys().next().value!);
    if (this.#positions.delete(uid)) this.#packed = [];
  }

  /**
   * The positions of all but the subscription's user, as they are when they are written; nothing once it ends. What was read was
   * delivered: `delivered` is told only beyond it.
   */
  of(subscription: Pick<Subscription, 'closed' | 'ending'>, uid: string): Sendable {
    return {
      bytes: (encoding) =>
        subscription.closed || subscription.ending ? NOTHING : without(uid, (this.#packed[encoding] ??= this.#pack(encoding))),
    };
  }

  #pack(encoding: Encoding): Packed {
    const parts: Buffer[] = [];
    const places = new Map<string, { from: number; to: number }>();
    let at = 0;
    for (const [uid, { lastRead, delivered }] of this.#positions) {
      const frames = [];
      if (delivered > lastRead) frames.push(Frame.of({ t: 'delivered', cid: this.#cid, pos: delivered, from: uid }));
      if (lastRead > 0) frames.push(Frame.of({ t: 'read', cid: this.#cid, pos: lastRead, from: uid }));
      if (frames.length === 0) continue;
      const bytes = joinFrames(frames, encoding);
      parts.push(bytes);
      places.set(uid, { from: at, to: at + bytes.length });
      at += bytes.length;
    }
    return { bytes: Buffer.concat(parts), places };
  }
}

const NOTHING = Buffer.alloc(0);

/** Removals that are remembered: far more than may be heard of before the messages they come after. */
const GONE_MAX = 1_000;

/** The frames of everyone, and where each user's are. */
interface Packed {
  readonly bytes: Buffer;
  readonly places: ReadonlyMap<string, { from: number; to: number }>;
}

function without(uid: string, { bytes, places }: Packed): Buffer {
  const own = places.get(uid);
  return own === undefined ? bytes : Buffer.concat([bytes.subarray(0, own.from), bytes.subarray(own.to)]);
}
