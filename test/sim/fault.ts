import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';

/** One kind of what may go wrong. */
export interface Fault {
  /** Whether it can happen there. */
  fits(world: { shared: boolean; nodes: number; twoPhase: boolean }): boolean;
  /** Begins it. What it gives ends it, after some time; true: it ends by itself; false: there was nothing that it could have happened to. */
  begin(sim: Simulation, random: Random): (() => void) | boolean;
  /** How long it lasts. */
  readonly ms: readonly [number, number];
}
