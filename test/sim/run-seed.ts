import { disagreements } from './agreement.ts';
import { withVirtualGlobals } from './globals.ts';
import { judge, type Verdict } from './judge.ts';
import { NOTICE_NOT_SENT } from './node.ts';
import type { Plan } from './plan.ts';
import { Simulation, type SimulationOptions } from './simulation.ts';

/** Between two looks whether all agree. */
const LOOK_MS = 1_000;

/** They must agree for so long before it is believed. */
const CALM_LOOKS = 3;

/**
 * After everything is healed, all must agree by then. The slowest of all: a client that finds out only by silence that its line is dead
 * (30 s and 5 s), a request that was sent over one (30 s), and backoffs of 8 s.
 */
const AGREE_MS = 150_000;

/** A notice that did not come by then does not come. */
const NOTICES_MS = 10_000;

export interface RunResult extends Verdict {
  readonly seed: number;
  /** Of everything that happened. */
  readonly hash: string;
  readonly plan: Plan;
  readonly simulatedMs: number;
  /** Turns of event loops. */
  readonly tasks: number;
  /** What clients saw. */
  readonly events: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly trace: readonly string[] | undefined;
}

/** One world from its beginning to its end. The same seed, plant and code: the same run. */
export async function runSeed(seed: number, options: SimulationOptions = {}): Promise<RunResult> {
  const sim = new Simulation(seed, options);
  const { world, plan } = sim;
  const verdict = await quietly(sim, options.traced ?? false, async () => {
    await withVirtualGlobals(world, async () => {
      await sim.begin();
      world.in(world.outside, plan.busyMs, () => {
        sim.heal();
        settle(sim);
      });
      await world.run();
    });
    // Rejections that nobody handled are told now.
    await new Promise((resolve) => setImmediate(resolve));
    return judge(sim);
  });
  return {
    ...verdict,
    seed,
    hash: world.hash.digest,
    plan,
    simulatedMs: world.now,
    tasks: world.tasks,
    events: sim.events.length,
    counts: world.counts,
    trace: world.trace,
  };
}

/** What nobody catches is a problem of the run. Refusals are errors, and there are many: stacks are made only where somebody reads them. */
async function quietly<T>({ world }: Simulation, traced: boolean, work: () => Promise<T>): Promise<T> {
  const { stackTraceLimit } = Error;
  const onRejection = (error: unknown) => world.crashed('unhandled rejection', error);
  process.on('unhandledRejection', onRejection);
  if (!traced) Error.stackTraceLimit = 0;
  try {
    return await work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    process.off('unhandledRejection', onRejection);
  }
}

/** Waits until all agree, or should have. */
function settle(sim: Simulation): void {
  const { world } = sim;
  const until = world.now + AGREE_MS;
  let calm = 0;
  let onlyNoticesSince = Number.POSITIVE_INFINITY;
  const look = async () => {
    const found = await disagreements(sim);
    world.note(() => `${found.length} disagreements${found.length === 0 ? '' : `: ${found[0]!.what}`}`);
    calm = found.length === 0 ? calm + 1 : 0;
    if (!found.every(({ isNotice }) => isNotice)) onlyNoticesSince = Number.POSITIVE_INFINITY;
    else if (found.length > 0) onlyNoticesSince = Math.min(onlyNoticesSince, world.now);
    if (world.now - onlyNoticesSince >= NOTICES_MS && mayLoseNotices(sim)) {
      onlyNoticesSince = Number.POSITIVE_INFINITY;
      world.count('devices that had to connect again for a notice', new Set(found.map(({ device }) => device)).size);
      for (const { device } of found) for (const line of sim.network.linesOf(({ reader }) => reader === device)) line.cut('both');
    }
    if (calm === CALM_LOOKS || world.now >= until) world.stopped = true;
    else lookSoon();
  };
  const lookSoon = () =>
    world.in(world.outside, LOOK_MS, () => {
      look().catch((error: unknown) => {
        world.crashed('a look at the state', error);
        world.stopped = true;
      });
    });
  lookSoon();
}

/** Where a node did not know what it had committed, or died with it, or found out that it missed something for good, or could not tell it. */
function mayLoseNotices({ world: { counts } }: Simulation): boolean {
  return ['commits of unknown outcome', 'nodes killed', 'losses told', NOTICE_NOT_SENT].some((what) => counts.has(what));
}
