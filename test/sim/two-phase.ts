import {
  type AcceptLog,
  acceptedReads,
  type Command,
  type Committed,
  type ConversationReads,
  type Log,
  type Store,
  TwoPhase,
  type TwoPhaseMetrics,
  type TwoPhaseRules,
  type Writer,
} from '@gapless/core';
import type { Clock } from '@gapless/kit';
import { AcceptWorkers } from '@gapless/worker';
import type { SimProcess, World } from './world.ts';

/** Half of what apps/server has by default, and less: batches end sooner, and a dead worker's shards are another's sooner. */
const LIMITS = { batchSize: 50, blockMs: 100, lockTtlMs: 1_000 };

/** Messages that a node heard to be saved by looking into the log, when they were overdue: no notice of it was heard, or none was heeded. */
export const FOUND_BY_A_LOOK = 'saves found by a look';

export interface TwoPhaseOptions {
  world: World;
  process: SimProcess;
  clock: Clock;
  log: Log;
  store: Store;
  accept: AcceptLog;
  rules: TwoPhaseRules;
}

export interface RunningTwoPhase {
  readonly road: TwoPhase;
  readonly reads: ConversationReads;
  close(): Promise<void>;
  end(): Promise<void>;
}

/** Two-phase acks in one node, wired as apps/server/src/two-phase.ts does it. */
export function startTwoPhase(
  { world, process, clock, log, store, accept, rules }: TwoPhaseOptions,
  parts: () => { writer: Pick<Writer, 'append'>; tell: (committed: Committed) => void },
): RunningTwoPhase {
  const common = {
    node: process.name,
    clock,
    log,
    accept,
    rules,
    random: () => Math.random(),
    metrics: metricsOf(world),
    writer: { append: (command: Command) => parts().writer.append(command) },
  };
  const tell = (committed: Committed) => parts().tell(committed);
  const road = new TwoPhase({ ...common, store, onTold: tell });
  countLooks(road, world);
  const workers = new AcceptWorkers({ ...common, epochs: road.epochs, limits: LIMITS, tell });
  return {
    road,
    reads: acceptedReads({ reads: store, accept, epochs: road.epochs, unsaved: road.unsaved, clock }),
    async close() {
      await road.close();
      await workers.close();
    },
    end: () => accept.end(),
  };
}

/** What is dropped as saved, and not by a notice, was looked for. */
function countLooks(road: TwoPhase, world: World): void {
  const { unsaved } = road;
  const heard = road.heard.bind(road);
  const saved = unsaved.saved.bind(unsaved);
  let isNotice = false;
  road.heard = (committed) => {
    isNotice = true;
    heard(committed);
    isNotice = false;
  };
  unsaved.saved = (notice) => {
    const before = unsaved.size;
    saved(notice);
    if (!isNotice && unsaved.size < before) world.count(FOUND_BY_A_LOOK, before - unsaved.size);
  };
}

function metricsOf(world: World): TwoPhaseMetrics {
  return {
    accepted: (count) => world.count('accepted', count),
    saved: (waited) => world.count('accepted and saved', waited.length),
    refused: (code) => world.count(`accept log refused: ${code}`),
    lost: (count) => world.count('losses that a node found', count),
    settled: (conversations) => world.count('conversations settled', conversations),
    backlog() {},
    failed: (group) => world.count(`accept log: ${group} failed`),
    shardsOwned() {},
    unsaved() {},
    epoch() {},
  };
}
