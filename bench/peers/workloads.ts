import type { Layout } from './layout.ts';
import { LIMITS, type Pace } from './pace.ts';
import { type Found, search } from './search.ts';
import type { Skipped, System } from './systems/system.ts';
import { type Step, World } from './world.ts';

/** What one workload found out about one system. */
export interface Measured {
  readonly version: string;
  /** At the same rate for every system. */
  readonly fixed: Step;
  readonly found: Found;
}

export interface Workload {
  readonly title: string;
  readonly layout: Layout;
  readonly fixedPerSec: number;
  readonly fixedSec: (pace: Pace) => number;
  readonly searchFromPerSec: number;
}

export const room: Workload = {
  title: 'One room: 1,000 online members, 10 of them send',
  layout: { rooms: 1, roomSize: 1_000, sendersPerRoom: 10 },
  fixedPerSec: 20,
  fixedSec: ({ lowRateSec }) => lowRateSec,
  searchFromPerSec: 20,
};

const PAIRS = 2_500;
const EACH_SENDS_EVERY_SEC = 3;

export const pairs: Workload = {
  title: '5,000 clients in 2,500 conversations of two, both send',
  layout: { rooms: PAIRS, roomSize: 2, sendersPerRoom: 2 },
  fixedPerSec: (PAIRS * 2) / EACH_SENDS_EVERY_SEC,
  fixedSec: ({ pairsSec }) => pairsSec,
  searchFromPerSec: (PAIRS * 2) / EACH_SENDS_EVERY_SEC,
};

export async function measure(
  { layout, fixedPerSec, fixedSec, searchFromPerSec }: Workload,
  system: System,
  { pace, onStep }: { pace: Pace; onStep: (step: Step) => void },
): Promise<Measured | Skipped> {
  const warmUp = { ratePerSec: fixedPerSec, warmUpSec: 0, seconds: pace.warmUpSec, ...LIMITS };
  const world = await World.open({ system, layout, warmUp });
  if ('reason' in world) return world;
  const step = async (ratePerSec: number, seconds: number, limits = LIMITS) => {
    const taken = await world.step({ ratePerSec, seconds, warmUpSec: pace.stepWarmUpSec, ...limits });
    onStep(taken);
    return taken;
  };
  // To its end, however far behind.
  const fixed = await step(fixedPerSec, fixedSec(pace), { ...LIMITS, hopelessSec: Number.POSITIVE_INFINITY });
  const attempt = (ratePerSec: number) => step(ratePerSec, pace.stepSec);
  const found = await search({ fromPerSec: searchFromPerSec, factor: pace.factor, attempt });
  await world.close();
  return { version: world.version, fixed, found };
}
