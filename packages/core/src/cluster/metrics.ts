/** What the cluster counts; the server gives it a registry. */
export interface ClusterMetrics {
  /** A publication with so many characters. */
  announced(chars: number): void;
  /** The broker refused it. */
  notAnnounced(): void;
  received(): void;
  /** Announcements of other nodes that did not arrive. */
  missed(count: number): void;
  /** Those of them that came when asked for again. */
  recovered(count: number): void;
  /** What was missed is gone: everything that depends on it was read from the store. */
  lost(): void;
  nodes(count: number): void;
}

const nothing = () => {};

export const noClusterMetrics: ClusterMetrics = {
  announced: nothing,
  notAnnounced: nothing,
  received: nothing,
  missed: nothing,
  recovered: nothing,
  lost: nothing,
  nodes: nothing,
};
