import type { Typing } from '@gapless/core';
import { type Clock, TokenBucket } from '@gapless/kit';
import { TYPING_TTL_MS } from '@gapless/protocol';
import { Frame } from './frame.ts';
import type { Hub } from './hub.ts';

/** Tellings of one person in one conversation: what comes faster is merged, the last state is never left out. */
const TELLINGS = { perSec: 2, burst: 4 };
const TURN_MS = 500;

/** `on` again is told again so often: it must not die by itself with who listens, and more says nothing new. */
const RETELL_MS = 2_000;

interface Typist {
  readonly cid: string;
  readonly uid: string;
  on: boolean;
  /** When it ends by itself. */
  until: number;
  /** What was told last, and when. */
  told: boolean;
  toldAt: number;
  readonly bucket: TokenBucket;
  /** Types on this node: the others hear of it from here. */
  announced: boolean;
}

/** Who types where. Never stored; ends by itself, and with a message of the one who typed. A flood of it costs listeners two frames a second. */
export class TypingBoard {
  readonly #hub: Hub;
  readonly #clock: Clock;
  readonly #typists = new Map<string, Typist>();
  readonly #stop: () => void;

  readonly #announce: (typing: Typing) => void;

  constructor(hub: Hub, clock: Clock, announce: (typing: Typing) => void) {
    this.#hub = hub;
    this.#clock = clock;
    this.#announce = announce;
    this.#stop = clock.every(TURN_MS, () => this.#turn());
  }

  close(): void {
    this.#stop();
  }

  /** Of a connection here. */
  set(cid: string, uid: string, on: boolean): void {
    this.#set({ cid, uid, on }, true);
  }

  /** Of one on another node, or ended by a message, of which every node hears. */
  heard(typing: Typing): void {
    // Nobody listens, and it is not remembered for who comes.
    if (this.#hub.channel(typing.cid) !== undefined) this.#set(typing, false);
  }

  #set({ cid, uid, on }: Typing, announced: boolean): void {
    const key = `${cid} ${uid}`;
    const now = this.#clock.elapsed();
    let typist = this.#typists.get(key);
    if (typist === undefined) {
      if (!on) return;
      typist = { cid, uid, on, until: 0, told: false, toldAt: Number.NEGATIVE_INFINITY, bucket: new TokenBucket(TELLINGS, now), announced };
      this.#typists.set(key, typist);
    }
    typist.on = on;
    typist.announced = announced;
    if (on) typist.until = now + TYPING_TTL_MS;
    if (on !== typist.told || (on && now - typist.toldAt >= RETELL_MS)) this.#tellInBounds(typist, now);
  }

  #turn(): void {
    const now = this.#clock.elapsed();
    for (const [key, typist] of this.#typists) {
      if (typist.until <= now) typist.on = false;
      if (typist.on !== typist.told) this.#tellInBounds(typist, now);
      // Kept for a moment: on and off in turns is no way around the limit.
      if (!typist.on && !typist.told && now - typist.toldAt >= RETELL_MS) this.#typists.delete(key);
    }
  }

  #tellInBounds(typist: Typist, now: number): void {
    if (typist.bucket.take(now) === 0) this.#tell(typist, now);
  }

  #tell(typist: Typist, now: number): void {
    const { cid, uid, on } = typist;
    typist.told = on;
    typist.toldAt = now;
    if (typist.announced) this.#announce({ cid, uid, on });
    const channel = this.#hub.channel(cid);
    // Where not even messages are pushed, nobody is told who types.
    if (channel === undefined || channel.delivery !== 'push') return;
    const frame = Frame.of({ t: 'typing', cid, from: uid, on });
    for (const { session, joined, ending } of channel.subscriptions) {
      if (session.actor?.uid !== uid && joined && !ending)
        this.#hub.flusher.merge(session, `typing ${cid} ${uid}`, frame, { droppable: true });
    }
  }
}
