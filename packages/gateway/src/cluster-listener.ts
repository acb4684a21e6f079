import type { ClusterListener, Directory, OwnReads, SettingsChange, TwoPhase } from '@gapless/core';
import type { Gateway } from './gateway.ts';

/** Parts of a node that follow what the others do. */
export interface Followers {
  readonly directory: Directory;
  readonly gateway: Gateway;
  /** Absent: each send moves its own position. */
  readonly ownReads?: Pick<OwnReads, 'heard' | 'healSoon'>;
  /** Absent: nothing is accepted before it is saved. */
  readonly twoPhase?: { readonly road: Pick<TwoPhase, 'heard'> } | undefined;
  /** Sign-ins that another node ended. */
  learnRevoked(sids: readonly string[], until: number): void;
  /** Asks the store for those, where it may not have been told. Never rejects. */
  refreshRevoked(): Promise<void>;
  followSettings(change: SettingsChange): void;
  /** Tells the others of settings that were changed while running. */
  retellSettings(): void;
}

/** What other nodes tell, handed to those whom it concerns. The followers may be made after it. */
export function clusterListener(followers: () => Followers): ClusterListener {
  return {
    committed(committed) {
      const { directory, gateway, ownReads, twoPhase } = followers();
      // First: who reads the store because of what was told is to see it.
      ownReads?.heard(committed);
      directory.apply(committed);
      // Told without their entries: nobody knows whether participants changed.
      for (const { cid } of committed.revs) directory.suspect(cid);
      gateway.publish(committed);
      twoPhase?.road.heard(committed);
    },
    revoked: (sids, until) => followers().learnRevoked(sids, until),
    replaced: (replacement) => followers().gateway.replaced(replacement),
    typing: (typing) => followers().gateway.heardTyping(typing),
    settings: (change) => followers().followSettings(change),
    met: () => followers().retellSettings(),
    listened: () => followers().gateway.hub.conversations,
    found(revs, doubted) {
      const { directory, gateway } = followers();
      for (const { cid, rev } of revs) if (doubted.has(cid) || gateway.hub.isBehind(cid, rev)) directory.suspect(cid);
      gateway.hub.expect(revs);
    },
    deaf: () => void followers().refreshRevoked(),
    lost() {
      const { directory, gateway, ownReads, refreshRevoked } = followers();
      directory.suspectAll();
      gateway.hub.doubtPositions();
      void refreshRevoked();
      ownReads?.healSoon();
    },
  };
}
