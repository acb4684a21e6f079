import { clientsOf, type Layout, sendersOf, threadOf } from '../layout.ts';
import { Latencies } from './latencies.ts';
import { edges, intendedUs, type Schedule } from './schedule.ts';

/** What the clients of one thread saw in one step. */
export class Tally {
  readonly schedule: Schedule;
  readonly e2e: Latencies = new Latencies();
  /** Of `e2e`: what was to be sent in its first, and in its last second. */
  readonly firstSec: Latencies = new Latencies();
  readonly lastSec: Latencies = new Latencies();
  readonly ack: Latencies = new Latencies();
  /** How late the generator itself sent. */
  readonly lag: Latencies = new Latencies();
  sent = 0;
  received = 0;
  acked = 0;
  /** Messages that a later one of the same sender overtook, or that never came. */
  lost = 0;
  /** Messages that came twice, late, or to the wrong room. */
  misplaced = 0;
  /** Parsed in full, as one in a hundred is, and not what was sent. */
  misread = 0;
  readonly #senders: number;
  readonly #slots: number;
  readonly #firstUntil: number;
  readonly #lastFrom: number;
  /** For each receiver and each sender of its room the number that has to come next. */
  readonly #next: Float64Array;

  constructor(layout: Layout, schedule: Schedule, { thread, threads }: { thread: number; threads: number }) {
    this.schedule = schedule;
    this.#senders = sendersOf(layout);
    this.#slots = layout.sendersPerRoom;
    const { firstUntil, lastFrom } = edges(schedule);
    this.#firstUntil = firstUntil;
    this.#lastFrom = lastFrom;
    const own = Array.from({ length: clientsOf(layout) }, (_, client) => client).filter((client) => threadOf(client, threads) === thread);
    this.#next = new Float64Array(own.length * this.#slots);
    for (const [local, client] of own.entries()) {
      for (let slot = 0; slot < this.#slots; slot++) {
        const sender = Math.floor(client / layout.roomSize) * this.#slots + slot;
        this.#next[local * this.#slots + slot] = firstFrom(schedule.first, sender, this.#senders);
      }
    }
  }

  /** `local`: the receiver's place among the clients of this thread. */
  delivered(local: number, k: number, now: number): void {
    const at = local * this.#slots + ((k % this.#senders) % this.#slots);
    const wanted = this.#next[at]!;
    if (k !== wanted) {
      if (!(k > wanted && (k - wanted) % this.#senders === 0)) return void this.misplaced++;
      this.lost += (k - wanted) / this.#senders;
    }
    this.#next[at] = k + this.#senders;
    this.received++;
    if (k >= this.schedule.measureFrom) this.#measure(k, now - intendedUs(this.schedule, k));
  }

  answered(k: number, now: number): void {
    this.acked++;
    if (k >= this.schedule.measureFrom) this.ack.record(now - intendedUs(this.schedule, k));
  }

  #measure(k: number, us: number): void {
    this.e2e.record(us);
    if (k < this.#firstUntil) this.firstSec.record(us);
    if (k >= this.#lastFrom) this.lastSec.record(us);
  }
}

/** The first number at or after `from` that is this sender's. */
function firstFrom(from: number, sender: number, senders: number): number {
  return from + ((sender - (from % senders) + senders) % senders);
}
