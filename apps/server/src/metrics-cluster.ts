import type { ClusterMetrics } from '@gapless/core';
import type { RelayMetrics } from '@gapless/worker';
import { Counter, Gauge, type Registry } from 'prom-client';

/** What nodes tell each other. Names and help as in metrics.ts. */
export function createClusterMetrics(registers: Registry[]): ClusterMetrics & { restored(): void; restarted(): void } {
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const announced = counter('gapless_cluster_announcements_total', 'Publications to the other nodes.');
  const chars = counter('gapless_cluster_announced_chars_total', 'Characters of them.');
  const refused = counter('gapless_cluster_announcements_failed_total', 'Publications that the broker refused; they are told later.');
  const received = counter('gapless_cluster_received_total', 'Announcements of other nodes.');
  const missed = counter('gapless_cluster_missed_total', 'Announcements of other nodes that did not arrive, or not in their order.');
  const recovered = counter('gapless_cluster_recovered_total', 'Those of them that came later.');
  const lost = counter('gapless_cluster_lost_total', 'Times that missed announcements were gone, and the store was read instead.');
  const nodes = new Gauge({ name: 'gapless_cluster_nodes', help: 'Nodes that are heard of, this one included.', registers });
  const restored = counter('gapless_broker_restored_total', 'Times the broker was away and came back.');
  const restarts = counter('gapless_broker_restarts_total', 'Listeners on the broker that ended by themselves and were started again.');
  return {
    announced(count) {
      announced.inc();
      chars.inc(count);
    },
    notAnnounced: () => refused.inc(),
    received: () => received.inc(),
    missed: (count) => missed.inc(count),
    recovered: (count) => recovered.inc(count),
    lost: () => lost.inc(),
    nodes: (count) => nodes.set(count),
    restored: () => restored.inc(),
    restarted: () => restarts.inc(),
  };
}

/** What brings the log to the event bus. */
export function createRelayMetrics(registers: Registry[]): RelayMetrics {
  const labelNames = ['consumer'] as const;
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames, registers });
  const rows = gauge('gapless_relay_lag_rows', 'Rows of the log that wait, of the part that is most behind.');
  const seconds = gauge('gapless_relay_lag_seconds', 'Age of the oldest of them.');
  const parts = gauge('gapless_relay_parts_owned', 'Parts of the log that this process reads.');
  const published = counter('gapless_relay_published_total', 'Rows of the log that were published.');
  const failures = counter('gapless_relay_failures_total', 'Batches that failed and are tried again.');
  return {
    lag(consumer, lag) {
      rows.set({ consumer }, lag.rows);
      seconds.set({ consumer }, lag.seconds);
    },
    published: (consumer, count) => published.inc({ consumer }, count),
    failed: (consumer) => failures.inc({ consumer }),
    partsOwned: (consumer, count) => parts.set({ consumer }, count),
  };
}
