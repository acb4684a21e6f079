import { type Accounts, type Broker, Cluster, type Directory } from '@gapless/core';
import { clusterListener, type Gateway } from '@gapless/gateway';
import type { Base } from './base.ts';
import type { Settings } from './live-settings.ts';

/** Parts that follow the other nodes; they are made after it. */
export interface Parts {
  readonly directory: Directory;
  readonly gateway: Gateway;
  readonly accounts: Accounts;
  readonly settings: Settings;
}

/** The other nodes of the cluster, where nodes share the store. Nothing is heard of them until it is started. */
export function createOthers({ node, store, clock, log, metrics }: Base, broker: Broker, parts: () => Parts): Cluster {
  const listener = clusterListener(() => ({
    ...parts(),
    learnRevoked: (sids) => parts().accounts.learnRevoked(sids),
    refreshRevoked: () =>
      parts()
        .accounts.refreshRevoked()
        .catch((error: unknown) => log.warn({ err: error }, 'sign-outs of other nodes not read')),
    followSettings({ changes, by }) {
      try {
        parts().settings.follow(changes, by);
      } catch (error) {
        log.warn({ err: error, changes }, 'settings of another node not taken');
      }
    },
  }));
  return new Cluster({ node, broker, reads: store, clock, log, metrics: metrics.cluster, listener });
}
