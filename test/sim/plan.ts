import type { TwoPhaseRules } from '@gapless/core';
import { GATEWAY_LIMITS, type GatewayLimits } from '@gapless/gateway';
import type { Fault } from './fault.ts';
import { FAULTS, type FaultName } from './faults.ts';
import type { Random } from './random.ts';
import { OPERATIONS, type OperationName } from './workload.ts';

/** What one seed is about: the shape of the world, and what may happen in it. All of it is chance. */
export interface Plan {
  readonly nodes: number;
  /** One process that has the store to itself (SQLite), or any number that share one (PostgreSQL). */
  readonly shared: boolean;
  readonly users: number;
  readonly devicesPerUser: number;
  readonly conversations: number;
  readonly operations: number;
  /** In which the operations and the faults happen. */
  readonly busyMs: number;
  readonly lanes: number;
  readonly sendWindow: number;
  readonly tokenMs: number;
  readonly skewMaxMs: number;
  readonly limits: GatewayLimits;
  readonly network: { minMs: number; maxMs: number; kernelBytes: number };
  readonly store: { minMs: number; maxMs: number };
  /** Undefined: no accept log, and no two-phase acks. */
  readonly twoPhase: TwoPhasePlan | undefined;
  readonly broker: { minMs: number; maxMs: number; lost: number; twice: number; reorders: boolean };
  /** Those that happen in this world, and how often: few kinds at a time find more than all of them. */
  readonly faults: readonly FaultName[];
  readonly faultCount: number;
  readonly weights: Readonly<Record<OperationName, number>>;
}

export interface TwoPhasePlan {
  readonly rules: TwoPhaseRules;
  readonly shards: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** Mids that the log remembers before it forgets. */
  readonly mids: number;
}

const KiB = 1_024;

/** Longer than any run, so that no token expires. */
const FOR_EVER_MS = 3_600_000;

/** `twoPhase`: whether there is an accept log; chance where it is not said. */
export function planOf(random: Random, { twoPhase: wanted }: { twoPhase?: boolean | undefined } = {}): Plan {
  const shared = random.chance(0.85);
  const nodes = shared ? 1 + random.below(5) : 1;
  const chance = random.fork('two-phase');
  const twoPhase = shared && (wanted ?? chance.chance(0.5)) ? twoPhaseOf(chance) : undefined;
  const possible = (Object.keys(FAULTS) as FaultName[]).filter((name) =>
    (FAULTS[name] as Fault).fits({ shared, nodes, twoPhase: twoPhase !== undefined }),
  );
  return {
    nodes,
    shared,
    users: random.between(2, 6),
    devicesPerUser: random.between(1, 3),
    conversations: random.between(1, 4),
    operations: random.between(100, 400),
    busyMs: random.between(8_000, 25_000),
    lanes: shared ? random.between(1, 4) : 1,
    sendWindow: random.chance(0.8) ? 1 : random.between(2, 5),
    tokenMs: random.chance(0.8) ? FOR_EVER_MS : random.between(8_000, 20_000),
    skewMaxMs: random.chance(0.5) ? 0 : random.between(10, 5_000),
    limits: limitsOf(random),
    network: { minMs: 0.2, maxMs: random.chance(0.5) ? 5 : random.between(20, 300), kernelBytes: random.between(1, 16) * KiB },
    store: { minMs: 0.3, maxMs: random.chance(0.7) ? 4 : random.between(10, 80) },
    twoPhase,
    broker: {
      minMs: 0.2,
      maxMs: random.chance(0.7) ? 3 : random.between(10, 60),
      lost: random.chance(0.7) ? 0 : random.next() * 0.1,
      twice: random.chance(0.8) ? 0 : 0.05,
      reorders: random.chance(0.2),
    },
    faults: random.chance(0.05) ? [] : random.shuffled(possible).slice(0, random.between(1, 6)),
    faultCount: random.between(2, 14),
    weights: weightsOf(random),
  };
}

function twoPhaseOf(random: Random): TwoPhasePlan {
  return {
    rules: {
      enabled: random.chance(0.8),
      percent: random.chance(0.7) ? 100 : random.between(0, 100),
      deliverBeforeSaved: random.chance(0.5),
      failOpen: random.chance(0.7),
    },
    shards: random.between(1, 4),
    minMs: 0.1,
    maxMs: random.chance(0.7) ? 2 : random.between(5, 50),
    mids: random.chance(0.5) ? 1_000 : random.between(2, 20),
  };
}

/** Bounds so small that what is rare elsewhere happens all the time. */
function limitsOf(random: Random): GatewayLimits {
  const { tail, backpressure, strategy } = GATEWAY_LIMITS;
  const rare = <T>(value: T, otherwise: T): T => (random.chance(0.4) ? value : otherwise);
  const highWaterBytes = rare(random.between(1, 8) * KiB, backpressure.highWaterBytes);
  return {
    ...GATEWAY_LIMITS,
    tail: rare(
      { maxBytes: random.between(300, 2_000), bytesPerListener: 10, ceilingBytes: 4 * KiB, maxAgeMs: random.between(200, 2_000) },
      tail,
    ),
    backpressure: { ...backpressure, highWaterBytes, lowWaterBytes: highWaterBytes / 2 },
    strategy: { ...strategy, ...rare({ groupSizeThreshold: random.between(2, 5), hugeGroupNoNotifySize: random.between(3, 8) }, {}) },
    runMaxBytes: rare(random.between(200, 2_000), GATEWAY_LIMITS.runMaxBytes),
    catchUpRows: rare(random.between(1, 10), GATEWAY_LIMITS.catchUpRows),
    noticeMs: rare(random.between(1, 2_000), GATEWAY_LIMITS.noticeMs),
  };
}

function weightsOf(random: Random): Record<OperationName, number> {
  const weights = {} as Record<OperationName, number>;
  for (const name of Object.keys(OPERATIONS) as OperationName[]) {
    // Each kind is left out of some worlds, but for what all the others are about.
    const usual = OPERATIONS[name].weight;
    weights[name] = name === 'send' || random.chance(0.8) ? usual * (0.3 + random.next()) : 0;
  }
  return weights;
}
