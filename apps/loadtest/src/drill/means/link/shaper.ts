import type { LinkProfile } from './profile.ts';

/** What became of the packets of one direction so far. */
export interface LinkCounts {
  packets: number;
  bytes: number;
  lost: number;
  duplicated: number;
  overtaking: number;
  /** Did not fit into the queue of a slow link. */
  dropped: number;
}

/** A slow link keeps at most this much: a phone's radio buffers seconds. */
const QUEUE_MS = 3_000;

interface Flow {
  /** Until then earlier packets are being put on the wire. */
  busyUntil: number;
  /** When the last packet that keeps order arrives. */
  lastAt: number;
}

/** Decides over the packets of one direction. No I/O and no clock of its own, so that a seed tells all of it. */
export class Shaper {
  profile: LinkProfile;
  readonly counts: LinkCounts = { packets: 0, bytes: 0, lost: 0, duplicated: 0, overtaking: 0, dropped: 0 };
  readonly #chance: () => number;
  readonly #flows = new Map<number, Flow>();

  constructor(profile: LinkProfile, chance: () => number) {
    this.profile = profile;
    this.#chance = chance;
  }

  /**
   * The moments at which a packet that came `now` goes out: one, two where it is duplicated, none where it is lost. Each `flow` has the whole
   * rate: it stands for a phone.
   */
  pass(bytes: number, now: number, flow = 0): number[] {
    const { loss, duplicate, reorder, bitsPerSec } = this.profile;
    this.counts.packets++;
    this.counts.bytes += bytes;
    // All chances are drawn for every packet: what one share is does not change what the others hit.
    const [lost, twice, overtakes, shift] = [this.#chance() < loss, this.#chance() < duplicate, this.#chance() < reorder, this.#chance()];
    if (lost) {
      this.counts.lost++;
      return [];
    }
    let state = this.#flows.get(flow);
    if (state === undefined) this.#flows.set(flow, (state = { busyUntil: 0, lastAt: 0 }));
    const sentAt = bitsPerSec === undefined ? now : transmit(state, (bytes * 8 * 1_000) / bitsPerSec, now);
    if (sentAt === undefined) {
      this.counts.dropped++;
      return [];
    }
    const at = overtakes ? sentAt : this.#delayed(state, sentAt, shift);
    if (overtakes) this.counts.overtaking++;
    if (!twice) return [at];
    this.counts.duplicated++;
    return [at, at];
  }

  #delayed(state: Flow, sentAt: number, shift: number): number {
    const { delayMs, jitterMs } = this.profile;
    state.lastAt = Math.max(state.lastAt, sentAt + Math.max(0, delayMs + (shift * 2 - 1) * jitterMs));
    return state.lastAt;
  }
}

/** When the packet is on the wire; undefined where too many wait. */
function transmit(state: Flow, takesMs: number, now: number): number | undefined {
  const start = Math.max(now, state.busyUntil);
  if (start - now > QUEUE_MS) return undefined;
  state.busyUntil = start + takesMs;
  return state.busyUntil;
}
