import type { Random } from './random.ts';
import type { Simulation } from './simulation.ts';

/** One kind of what may go wrong. */
export interface Fault {
  /** Whether it can happen there. */
  fits(world: { shared: boolean; nodes: number; twoPhase: boolean }): boolean;
  /** Begins it. What it gives ends it, after some time; nothing where it ends by itself. */
  begin(sim: Simulation, random: Random): (() => void) | undefined;
  /** How long it lasts. */
  readonly ms: readonly [number, number];
}
