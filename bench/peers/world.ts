import { Generator, type Observed, type StepOptions } from './generator/generator.ts';
import type { Layout } from './layout.ts';
import type { Running, Skipped, System } from './systems/system.ts';

export interface Step extends Observed {
  readonly ratePerSec: number;
  /** Everything arrived, once, and in its sender's order; every sender got its answer; nobody was cut off. */
  readonly complete: boolean;
  readonly deliveredPct: number;
  /** Of all the system's processes, warm-up included. */
  readonly cpuSec: number;
  readonly cpuUsPerDelivery: number;
}

export interface WorldOptions {
  readonly system: System;
  readonly layout: Layout;
  /** Before the first step; what it gives is not looked at. */
  readonly warmUp: StepOptions;
}

/** A system, warm, with all its clients in their rooms. One that a step broke is replaced by a fresh one. */
export class World {
  readonly version: string;
  readonly #system: System;
  readonly #layout: Layout;
  readonly #warmUp: StepOptions;
  #running: Running;
  #generator: Generator;

  private constructor({ system, layout, warmUp }: WorldOptions, running: Running, generator: Generator) {
    this.version = running.version;
    this.#system = system;
    this.#layout = layout;
    this.#warmUp = warmUp;
    this.#running = running;
    this.#generator = generator;
  }

  static async open(options: WorldOptions): Promise<World | Skipped> {
    const running = await options.system.start(options.layout);
    if ('reason' in running) return running;
    const generator = await Generator.open(options.layout, options.system.dialect, running.targets);
    await generator.step(options.warmUp);
    return new World(options, running, generator);
  }

  async step(options: StepOptions): Promise<Step> {
    const before = this.#running.cpuSec();
    const observed = await this.#generator.step(options);
    const cpuSec = this.#running.cpuSec() - before;
    const { received, expected, sent, acked, lost, misplaced, misread, closed, halted } = observed;
    const whole = received === expected && (acked === 0 || acked === sent) && lost + misplaced + misread + closed === 0;
    if (!whole) await this.#replace();
    return {
      ...observed,
      ratePerSec: options.ratePerSec,
      complete: whole && !halted,
      deliveredPct: (received / expected) * 100,
      cpuSec,
      cpuUsPerDelivery: (cpuSec * 1e6) / received,
    };
  }

  async close(): Promise<void> {
    await this.#generator.close();
    await this.#running.stop();
  }

  async #replace(): Promise<void> {
    await this.close();
    const running = await this.#system.start(this.#layout);
    if ('reason' in running) throw new Error(running.reason);
    this.#running = running;
    this.#generator = await Generator.open(this.#layout, this.#system.dialect, running.targets);
    await this.#generator.step(this.#warmUp);
  }
}
