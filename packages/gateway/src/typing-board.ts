import type { Clock } from '@gapless/kit';
import { TYPING_TTL_MS } from '@gapless/protocol';
import { Frame } from './frame.ts';
import type { Hub } from './hub.ts';

/** Who types where. Never stored; ends by itself, and with a message of the one who typed. */
export class TypingBoard {
  readonly #hub: Hub;
  readonly #clock: Clock;
  /** `cid uid` to when it ends. In order of ending: each refresh goes to the end of the line. */
  readonly #until = new Map<string, { cid: string; uid: string; at: number }>();
  readonly #stop: () => void;

  constructor(hub: Hub, clock: Clock) {
    this.#hub = hub;
    this.#clock = clock;
    this.#stop = clock.every(500, () => this.#expire());
  }

  close(): void {
    this.#stop();
  }

  set(cid: string, uid: string, on: boolean): void {
    const key = `${cid} ${uid}`;
    const was = this.#until.delete(key);
    if (on) this.#until.set(key, { cid, uid, at: this.#clock.now() + TYPING_TTL_MS });
    if (on || was) this.#tell(cid, uid, on);
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const [key, { cid, uid, at }] of this.#until) {
      if (at > now) return;
      this.#until.delete(key);
      this.#tell(cid, uid, false);
    }
  }

  #tell(cid: string, uid: string, on: boolean): void {
    const channel = this.#hub.channel(cid);
    if (channel === undefined) return;
    const frame = Frame.of({ t: 'typing', cid, from: uid, on });
    for (const { session, joined, ending } of channel.subscriptions) {
      if (session.actor?.uid !== uid && joined && !ending)
        this.#hub.flusher.merge(session, `typing ${cid} ${uid}`, frame, { droppable: true });
    }
  }
}
