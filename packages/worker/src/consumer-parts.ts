import { PartLoop } from './part-loop.ts';
import type { Consumer, RelayDeps } from './relay.ts';
import type { Seats } from './seats.ts';

/** At its share, a worker looks for free parts in every third round only: the others, who have less, come first. */
const SURPLUS_ROUNDS = 3;

/**
 * The parts of one consumer that this worker has. Its share is the parts by the live workers, rounded up.
 *
 * - It takes every free part it finds: at once below its share, and above it those that nobody took for some seconds.
 * - Above its share it gives back one part a round, between two batches, so that workers that join get theirs.
 */
export class ConsumerParts {
  readonly #deps: RelayDeps;
  readonly #consumer: Consumer;
  readonly #seats: Seats;
  readonly #loops = new Map<number, { loop: PartLoop; ended: Promise<void> }>();
  /** Taking begins at another part in each worker, so that they do not all ask for the same one. */
  readonly #first: number;

  constructor(deps: RelayDeps, consumer: Consumer, seats: Seats) {
    this.#deps = deps;
    this.#consumer = consumer;
    this.#seats = seats;
    this.#first = Math.floor(Math.random() * deps.feed.parts);
  }

  /** Where the consumer is in a part, if this worker has it. */
  place(part: number): number | undefined {
    return this.#loops.get(part)?.loop.place;
  }

  nudge(): void {
    for (const { loop } of this.#loops.values()) loop.nudge();
  }

  /** Takes and gives back until the signal, then ends all loops. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, limits } = this.#deps;
    for (let round = 0; !signal.aborted; round++) {
      await this.#take(round % SURPLUS_ROUNDS === SURPLUS_ROUNDS - 1 ? this.#deps.feed.parts : this.#share, signal);
      if (this.#loops.size > this.#share) [...this.#loops.values()].at(-1)!.loop.stop();
      await clock.sleep(limits.takeEveryMs, signal);
    }
    const ended = [...this.#loops.values()].map((each) => each.ended);
    for (const { loop } of this.#loops.values()) loop.stop();
    await Promise.all(ended);
  }

  get #share(): number {
    return Math.ceil(this.#deps.feed.parts / this.#seats.live);
  }

  async #take(max: number, signal: AbortSignal): Promise<void> {
    const { feed, holder, clock, limits, log } = this.#deps;
    for (let i = 0; i < feed.parts && this.#loops.size < max && !signal.aborted; i++) {
      const part = (this.#first + i) % feed.parts;
      if (this.#loops.has(part)) continue;
      const lease = `relay/${this.#consumer.name}/${part}`;
      const askedAt = clock.elapsed();
      try {
        if (await feed.acquireLease(lease, holder, limits.leaseTtlMs)) this.#start(part, lease, askedAt + limits.leaseTtlMs);
      } catch (error) {
        return log.warn({ err: error, consumer: this.#consumer.name }, 'relay: no parts can be taken now');
      }
    }
  }

  #start(part: number, lease: string, leaseUntil: number): void {
    const loop = new PartLoop({ ...this.#deps, consumer: this.#consumer, part, lease }, leaseUntil);
    const ended = loop.run().finally(() => {
      this.#loops.delete(part);
      this.#tell();
    });
    this.#loops.set(part, { loop, ended });
    this.#tell();
  }

  #tell(): void {
    this.#deps.metrics.partsOwned(this.#consumer.name, this.#loops.size);
  }
}
