import { type Accounts, type Broker, Cluster, type Directory, type OwnReads } from '@gapless/core';
import { clusterListener, type Gateway } from '@gapless/gateway';
import type { Base } from './base.ts';
import type { Settings } from './live-settings.ts';
import type { RunningTwoPhase } from './two-phase.ts';

/** Parts that follow the other nodes; they are made after it. */
export interface Parts {
  readonly directory: Directory;
  readonly gateway: Gateway;
  readonly accounts: Accounts;
  readonly settings: Settings;
  readonly ownReads: OwnReads;
  readonly twoPhase: RunningTwoPhase | undefined;
}

/** The other nodes of the cluster, where nodes share the store. Nothing is heard of them until it is started. */
export function createOthers({ node, store, clock, log, metrics }: Base, broker: Broker, parts: () => Parts): Cluster {
  const listener = clusterListener(() => ({
    ...parts(),
    learnRevoked: (sids, until) => parts().accounts.learnRevoked(sids, until),
    refreshRevoked: () =>
      parts()
        .accounts.refreshRevoked()
        .catch((error: unknown) => log.warn({ err: error }, 'sign-outs of other nodes not read')),
    retellSettings: () => parts().settings.retell(),
    followSettings(change) {
      try {
        parts().settings.follow(change);
      } catch (error) {
        log.warn({ err: error, changes: change.changes }, 'settings of another node not taken');
      }
    },
  }));
  return new Cluster({
    node,
    broker,
    alone: !broker.capabilities.multiProcess,
    reads: store,
    clock,
    log,
    metrics: metrics.cluster,
    listener,
  });
}
