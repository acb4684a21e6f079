export type { Replacement, Revoked, SettingsChange, Typing } from './announcement.ts';
export { Cluster, type ClusterDeps, type ClusterListener } from './cluster.ts';
export type { Mailbox } from './mailbox.ts';
export { type ClusterMetrics, noClusterMetrics } from './metrics.ts';
