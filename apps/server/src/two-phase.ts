import { type AcceptLog, acceptedReads, type Committed, type ConversationReads, type Store, TwoPhase, type Writer } from '@gapless/core';
import { AcceptWorkers } from '@gapless/worker';
import { openAcceptLog } from './adapters.ts';
import type { Base } from './base.ts';
import type { Settings } from './live-settings.ts';

export interface TwoPhaseParts {
  readonly writer: Pick<Writer, 'append'>;
  /** To this node's caches and listeners, and to the other nodes. */
  tell(committed: Committed): void;
}

/** Two-phase acks in this process. */
export interface RunningTwoPhase {
  /** The road of all commands, in place of the writer. */
  readonly road: TwoPhase;
  /** With what is accepted behind what is saved. */
  readonly reads: ConversationReads;
  /** Its workers run from here on: the writer is there, and the other nodes are heard. */
  start(): void;
  /** Accepts nothing more and saves what it can. */
  close(): Promise<void>;
  /** After nothing uses the writer any more. */
  end(): Promise<void>;
}

/** Undefined where there is no accept log. */
export async function startTwoPhase(base: Base, settings: Settings, parts: () => TwoPhaseParts): Promise<RunningTwoPhase | undefined> {
  const accept = await openAcceptLog(base.config, base);
  return accept === undefined ? undefined : run(base, settings, accept, parts);
}

function run(
  { node, clock, log, store, config, metrics }: Base,
  settings: Settings,
  accept: AcceptLog,
  parts: () => TwoPhaseParts,
): RunningTwoPhase {
  const common = {
    node,
    clock,
    log,
    accept,
    rules: settings.twoPhase,
    metrics: metrics.twoPhase,
    random: Math.random,
    writer: { append: (command: Parameters<Writer['append']>[0]) => parts().writer.append(command) },
  };
  const tell = (committed: Committed) => parts().tell(committed);
  const road = new TwoPhase({ ...common, store, onTold: tell });
  let workers: AcceptWorkers | undefined;
  return {
    start() {
      const limits = { batchSize: config.twoPhaseBatchSize, blockMs: config.twoPhaseBlockMs, lockTtlMs: config.twoPhaseLeaderLockTtlMs };
      workers = new AcceptWorkers({ ...common, epochs: road.epochs, limits, tell });
    },
    road,
    reads: acceptedReads({ reads: store, accept, epochs: road.epochs, unsaved: road.unsaved, clock }),
    async close() {
      // The workers last: what this node accepted they may be saving.
      await road.close();
      await workers?.close();
    },
    end: () => accept.end(),
  };
}

/** The store as its readers see it. */
export function storeWith(store: Store, twoPhase: RunningTwoPhase | undefined): Store {
  return twoPhase === undefined ? store : { ...store, ...twoPhase.reads };
}
